import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

/** What talks to the ext-proc port: proven on both transports. */
const ON_BOTH_TRANSPORTS = ['test/e2e/**/*.test.ts', 'test/integration/extproc*.test.ts'];

/** What is about the pool behind a picker, or about plugins, whatever the transport. */
const ON_ONE_TRANSPORT = [
  'test/e2e/disaggregation.test.ts',
  'test/e2e/kubernetes*.test.ts',
  'test/e2e/routing-headers.test.ts',
];

const SHARED = {
  testTimeout: 20_000,
  hookTimeout: 60_000,
  sequence: { shuffle: true },
  pool: 'forks',
} as const;

export default defineConfig({
  test: {
    // many tests wait more than they compute; the default is one less than there are cores
    maxWorkers: Math.max(2, availableParallelism()),
    projects: [
      { test: { ...SHARED, name: 'main', include: ['src/**/*.test.ts', 'test/**/*.test.ts'] } },
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
