import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';
import { SlowFileReporter } from './test/support/slow-file-reporter.ts';

/** Starts no program: files share a process, which saves a third of their time. */
const UNITS = [
  'src/**/*.test.ts',
  'test/*.test.ts',
  'test/{bench,conformance,contract,support}/**/*.test.ts',
];

/** What talks to the ext-proc port: proven on both transports. */
const ON_BOTH_TRANSPORTS = ['test/e2e/**/*.test.ts', 'test/integration/extproc*.test.ts'];

/** What is about the pool behind a picker, or about plugins, whatever the transport. */
const ON_ONE_TRANSPORT = [
  'disaggregation',
  'endpoint-failure',
  'kubernetes*',
  'many-pools',
  'response-metadata',
  'routing',
  'routing-headers',
].map((name) => `test/e2e/${name}.test.ts`);

const SHARED = {
  // far above what a test waits for within itself, so that the more telling limit is met first
  testTimeout: 40_000,
  hookTimeout: 60_000,
  sequence: { shuffle: true },
  pool: 'forks',
} as const;

export default defineConfig({
  test: {
    reporters: ['default', new SlowFileReporter()],
    // many tests wait more than they compute; the default is one less than there are cores
    maxWorkers: Math.max(2, availableParallelism()),
    projects: [
      { test: { ...SHARED, name: 'unit', include: UNITS, isolate: false } },
      {
        test: {
          ...SHARED,
          name: 'main',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...UNITS],
        },
      },
      {
        test: {
          ...SHARED,
          name: 'grpc-js',
          include: ON_BOTH_TRANSPORTS,
          exclude: [...configDefaults.exclude, ...ON_ONE_TRANSPORT],
          env: { EPP_TEST_TRANSPORT: 'grpc-js' },
        },
      },
    ],
  },
});
