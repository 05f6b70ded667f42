import { z } from 'zod';
import { duration } from '../../../framework/schema.ts';

/** A whole number that is its default when 0, as where the field is absent. */
function countOr(fallback: number) {
  return z
    .int()
    .min(0)
    .default(fallback)
    .transform((value) => (value === 0 ? fallback : value));
}

/** A positive number that is its default when 0. */
function numberOr(fallback: number) {
  return z
    .number()
    .min(0)
    .default(fallback)
    .transform((value) => (value === 0 ? fallback : value));
}

const resolution = z
  .strictObject({
    width: countOr(640).describe('Pixels.'),
    height: countOr(360).describe('Pixels.'),
  })
  .prefault({});

const dynamic = z
  .strictObject({ factor: countOr(1024).describe('Pixels that make one token: width × height / factor.') })
  .prefault({});

const tokenMode = z.enum(['dynamic', 'static']).default('dynamic');

const image = z
  .strictObject({
    mode: tokenMode.describe('Whether tokens follow the size of the image or are the same for all.'),
    defaultResolution: resolution.describe('Used where the request does not contain the image itself.'),
    dynamic: dynamic.describe('For mode dynamic.'),
    static: z
      .strictObject({ staticToken: countOr(1).describe('Tokens of any image.') })
      .prefault({})
      .describe('For mode static.'),
  })
  .prefault({});

const frames = z
  .strictObject({
    mode: z.enum(['sampled', 'strided']).default('sampled').describe('How a model picks frames.'),
    minFrames: z.int().min(0).default(0).describe('Fewest frames; 0 for no limit.'),
    maxFrames: z.int().min(0).default(0).describe('Most frames; 0 for no limit.'),
    sampled: z
      .strictObject({
        sampleFPS: numberOr(2).describe('Frames taken per second.'),
        temporalPatchSize: z.int().min(0).default(0).describe('Frames merged into one; below 2 for none.'),
      })
      .prefault({})
      .describe('For mode sampled.'),
    strided: z
      .strictObject({
        defaultSourceFPS: numberOr(24).describe('Frames per second where x-llm-d-video-fps does not say.'),
        frameStride: countOr(1).describe('Every n-th frame is taken.'),
      })
      .prefault({})
      .describe('For mode strided.'),
  })
  .prefault({});

const video = z
  .strictObject({
    defaultResolution: resolution.describe('Used where x-llm-d-video-resolution does not say.'),
    defaultDuration: numberOr(10).describe(
      'Seconds, where the header x-llm-d-video-duration-seconds does not say.',
    ),
    tokensPerFrame: z
      .strictObject({
        mode: tokenMode.describe('Whether tokens follow the resolution or are the same for all.'),
        dynamic: dynamic.describe('For mode dynamic.'),
        static: z
          .strictObject({ numTokensPerFrame: countOr(1).describe('Tokens of any frame.') })
          .prefault({})
          .describe('For mode static.'),
      })
      .prefault({})
      .describe('Tokens of one frame.'),
    frames: frames.describe('Number of frames.'),
    maxVideoTokens: z.int().min(0).default(0).describe('Most tokens of one video; 0 for no limit.'),
  })
  .prefault({});

/** Settings of the `estimate` backend. */
export const estimateParams = z.strictObject({
  image: image.describe('Tokens of images.'),
  video: video.describe('Tokens of videos.'),
});

/** Settings of the `estimate` backend, after defaults. */
export type EstimateSettings = z.infer<typeof estimateParams>;

/** Parameters of `token-producer`. */
export const params = z
  .strictObject({
    estimate: estimateParams
      .optional()
      .describe('Tokenizer-free backend: four bytes of text count as one token. The default.'),
    modelName: z.string().optional().describe('Selects the vllm backend, which this version does not have.'),
    vllm: z
      .strictObject({
        url: z.string().default('http://localhost:8000').describe('Base URL of the render endpoints.'),
        timeout: duration().default(5000).describe('For requests with text only.'),
        mmTimeout: duration().default(30_000).describe('For requests with media.'),
      })
      .optional()
      .describe('Render endpoints of vLLM; this version does not have this backend.'),
    udsTokenizerConfig: z
      .strictObject({
        socketFile: z.string().optional().describe('Unix socket.'),
        useTCP: z.boolean().optional().describe('TCP instead of a Unix socket.'),
        modelTokenizerMap: z.record(z.string(), z.string()).optional().describe('Tokenizer file by model.'),
      })
      .optional()
      .describe('gRPC tokenizer side car; removed.'),
  })
  .refine(
    ({ estimate, modelName, vllm, udsTokenizerConfig }) => {
      const usesVllm = vllm !== undefined || Boolean(modelName);
      return Number(estimate !== undefined) + Number(usesVllm) + Number(udsTokenizerConfig !== undefined) < 2;
    },
    { message: "only one of 'estimate', 'vllm' (or 'modelName') and 'udsTokenizerConfig' may be set" },
  )
  .superRefine(({ modelName, vllm, udsTokenizerConfig }, { addIssue }) => {
    if (udsTokenizerConfig !== undefined) {
      const message =
        "names the gRPC tokenizer side car, which is not available in this version; remove it to use the built-in 'estimate' backend";
      addIssue({ code: 'custom', path: ['udsTokenizerConfig'], message });
    }
    if (vllm !== undefined || modelName) {
      const message =
        "selects the vllm renderer backend, which is not available in this version; remove 'modelName' and 'vllm' to use the built-in 'estimate' backend, which serves approx-prefix-cache-producer";
      addIssue({ code: 'custom', path: [vllm === undefined ? 'modelName' : 'vllm'], message });
    }
  });
