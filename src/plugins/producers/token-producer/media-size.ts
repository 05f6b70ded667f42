import { imageSize } from 'image-size';
import type { Headers } from '../../../framework/headers.ts';
import type { EstimateSettings } from './params.ts';

/** Characters of base64 in which the header of an image mostly lies. */
const HEAD_CHARS = 8192;
/** A JPEG may carry a large preview before its size; nothing is looked for beyond this. */
const MOST_CHARS = 700_000;

interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * Estimated tokens of an image, at least 1. `content`: a URL of any kind, or bare base64. Only an image inside the
 * request is measured; nothing is fetched.
 */
export function imageTokens(content: string, isBase64: boolean, settings: EstimateSettings['image']): number {
  if (settings.mode === 'static') return settings.static.staticToken;
  const start = isBase64 ? 0 : dataStart(content);
  const { width, height } =
    (start < 0 ? undefined : encodedSize(content, start)) ?? settings.defaultResolution;
  return Math.max(1, Math.floor((width * height) / settings.dynamic.factor));
}

/** Estimated tokens of audio, at least 1: a quarter of its encoded length. */
export function audioTokens(content: string): number {
  return Math.max(1, Math.ceil(content.length / 4));
}

/**
 * Estimated tokens of a video, at least 1: frames × tokens per frame. Headers of the request say more about its videos
 * than the settings; values that are malformed or not positive are ignored.
 */
export function videoTokens(headers: Headers, settings: EstimateSettings['video']): number {
  const duration = positive(headers.get('x-llm-d-video-duration-seconds')) ?? settings.defaultDuration;
  const { width, height } = resolution(headers.get('x-llm-d-video-resolution')) ?? settings.defaultResolution;
  const { tokensPerFrame, maxVideoTokens } = settings;
  const perFrame =
    tokensPerFrame.mode === 'static'
      ? tokensPerFrame.static.numTokensPerFrame
      : Math.max(1, Math.floor((width * height) / tokensPerFrame.dynamic.factor));
  const total = frameCount(duration, headers, settings.frames) * perFrame;
  return Math.max(1, maxVideoTokens > 0 ? Math.min(total, maxVideoTokens) : total);
}

function frameCount(
  duration: number,
  headers: Headers,
  settings: EstimateSettings['video']['frames'],
): number {
  if (settings.mode === 'strided') {
    const fps = positive(headers.get('x-llm-d-video-fps')) ?? settings.strided.defaultSourceFPS;
    return clampFrames(Math.trunc(Math.trunc(duration * fps) / settings.strided.frameStride), settings);
  }
  const { sampleFPS, temporalPatchSize } = settings.sampled;
  const frames = clampFrames(Math.trunc(duration * sampleFPS), settings);
  return temporalPatchSize > 1 ? Math.trunc(frames / temporalPatchSize) : frames;
}

function clampFrames(frames: number, { minFrames, maxFrames }: EstimateSettings['video']['frames']): number {
  const atLeast = Math.max(frames, minFrames);
  return maxFrames > 0 ? Math.min(atLeast, maxFrames) : atLeast;
}

function positive(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

function resolution(text: string | undefined): Size | undefined {
  const match = /^\s*(\d{1,6})[xX](\d{1,6})\s*$/.exec(text ?? '');
  const width = Number(match?.[1]);
  const height = Number(match?.[2]);
  return width > 0 && height > 0 ? { width, height } : undefined;
}

/** Where the base64 of `data:image/…;base64,…` begins; -1 for any other URL. */
function dataStart(url: string): number {
  if (!url.startsWith('data:image/')) return -1;
  const head = url.slice(0, 128);
  const comma = head.indexOf(',');
  return comma > 0 && head.slice(0, comma).endsWith(';base64') ? comma + 1 : -1;
}

function encodedSize(text: string, start: number): Size | undefined {
  for (const chars of [HEAD_CHARS, MOST_CHARS]) {
    const bytes = Buffer.from(text.slice(start, start + chars), 'base64');
    if (!isRaster(bytes)) return undefined;
    const size = sizeOf(bytes);
    if (size !== undefined || text.length - start <= chars) return size;
  }
  return undefined;
}

/** PNG, JPEG, GIF or WebP. The measuring library knows more formats, with parsers that see less use. */
function isRaster(bytes: Buffer): boolean {
  const start = bytes.toString('latin1', 0, 4);
  return (
    start === '\x89PNG' ||
    start.startsWith('\xff\xd8\xff') ||
    start === 'GIF8' ||
    (start === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP')
  );
}

function sizeOf(bytes: Buffer): Size | undefined {
  try {
    const { width, height } = imageSize(bytes);
    return width > 0 && height > 0 ? { width, height } : undefined;
  } catch {
    return undefined; // cut off or broken: the default resolution stands in
  }
}
