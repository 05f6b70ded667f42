/**
 * The program that tests start: the source, or what `EPP_TEST_PROGRAM` names, such as `dist/main.js` after `npm run build`, which
 * starts in half the time.
 */
export const PROGRAM = process.env['EPP_TEST_PROGRAM'] || 'src/main.ts';
