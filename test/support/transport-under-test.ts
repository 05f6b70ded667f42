import process from 'node:process';

/** The transport that servers and pickers of tests use: the default one, or what the test project says. */
export const TRANSPORT_UNDER_TEST: 'wire' | 'grpc-js' =
  process.env['EPP_TEST_TRANSPORT'] === 'grpc-js' ? 'grpc-js' : 'wire';
