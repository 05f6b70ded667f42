/**
 * Upper bounds of histogram buckets, without the implied `+Inf`. The values are the reference's, exactly, because
 * dashboards and recording rules select by `le` (llm-d-router: pkg/epp/metrics/metrics.go).
 */

const UP_TO_TWO_MINUTES = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60, 120,
] as const;

const UP_TO_64_KIB = [
  // 32778 looks like a slip for 32768 and is what every deployed dashboard knows
  1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32778, 65536,
] as const;

/** Bucket sets by what they measure; seconds, bytes, tokens or shares. */
export const BUCKETS = {
  latency: [...UP_TO_TWO_MINUTES, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600],
  firstToken: UP_TO_TWO_MINUTES,
  perToken: [
    0.0005, 0.00205, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1,
    2,
  ],
  /** The same, as far as predictions go. */
  predictedPerToken: [
    0.0005, 0.00205, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1,
    1.5, 2, 3, 4.5, 6, 12, 18, 24, 30, 36, 48, 60, 90, 120, 180, 270, 360,
  ],
  prediction: [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
  interToken: [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2],
  normalizedPerToken: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
  fast: [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1],
  requestProcessing: [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.025, 0.04, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  ],
  responseProcessing: [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
  ],
  /** Powers of two, 64 B … 1 GiB. */
  requestBytes: Array.from({ length: 25 }, (_, i) => 2 ** (i + 6)),
  responseBytes: UP_TO_64_KIB,
  inputTokens: [...UP_TO_64_KIB, 131_072, 262_144, 524_288, 1_048_576],
  outputTokens: [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192],
  ratio: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1],
  /** 0, then 16 … 65536 doubling. */
  hitBytes: [0, ...Array.from({ length: 13 }, (_, i) => 2 ** (i + 4))],
  stream: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600],
} as const satisfies Record<string, readonly number[]>;
