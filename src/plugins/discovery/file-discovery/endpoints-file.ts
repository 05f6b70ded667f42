import { open } from 'node:fs/promises';
import { z } from 'zod';
import type { EndpointDiscovery, PoolWriter } from '../../../framework/discovery.ts';
import type { EndpointMetadata } from '../../../framework/endpoint.ts';
import { ConfigurationError } from '../../../framework/errors.ts';
import type { StateDumper } from '../../../framework/hooks.ts';
import type { PluginContext } from '../../../framework/plugin.ts';
import {
  type EndpointsDocument,
  EndpointsFileError,
  type EntryProblem,
  type MetricsPlace,
  parseEndpointsDocument,
} from './document.ts';
import { FileWatcher } from './file-watcher.ts';

const MAX_FILE_BYTES = 2 ** 20;
const MAX_DUMPED = 100;

/** Parameters of discovery by a file; `type` is named where the path is missing. */
export function endpointsFileParams(type: string) {
  const missing = `${type}: 'path' parameter is required`;
  return z.strictObject({
    path: z
      .string({ error: missing })
      .min(1, missing)
      .describe('Endpoints file, YAML or JSON, at most 1 MiB.'),
    watchFile: z.boolean().default(false).describe('Follow changes of the file.'),
    strict: z
      .boolean()
      .default(false)
      .describe('Refuse the whole file for one bad entry instead of leaving the entry out.'),
  });
}

/** As the schema gives them. */
export type EndpointsFileParams = z.infer<ReturnType<typeof endpointsFileParams>>;

/** Discovery by an endpoints file. */
export class EndpointsFile implements EndpointDiscovery, StateDumper {
  readonly #config: EndpointsFileParams;
  readonly #metricsPlace: MetricsPlace;
  readonly #context: PluginContext;
  #content: Buffer | undefined;
  #endpoints: readonly EndpointMetadata[] = [];
  #objectives: ReadonlyMap<string, number> = new Map();
  /** What was last wrong with the file as a whole; said once. */
  #lastFailure = '';
  #isReloading = false;
  #isChangedMeanwhile = false;

  /** `metricsPlace`: where entries say that their metrics are. */
  constructor(config: EndpointsFileParams, metricsPlace: MetricsPlace, context: PluginContext) {
    this.#config = config;
    this.#metricsPlace = metricsPlace;
    this.#context = context;
  }

  async start(writer: PoolWriter, signal: AbortSignal): Promise<void> {
    const { path, watchFile } = this.#config;
    // watching begins before the first reading, so that no change falls in between
    const watcher = watchFile
      ? new FileWatcher(path, this.#context.clock, () => void this.#reload(writer, signal))
      : undefined;
    this.#isReloading = true;
    try {
      this.#apply(await this.#read(), writer);
    } catch (error) {
      watcher?.close();
      throw new ConfigurationError(`${this.#context.type}: initial load failed: ${describe(error)}`, {
        cause: error,
      });
    }
    this.#isReloading = false;
    signal.addEventListener('abort', () => watcher?.close(), { once: true });
    if (signal.aborted) watcher?.close();
    else if (this.#isChangedMeanwhile) await this.#reload(writer, signal);
  }

  dumpState(): unknown {
    const ids = this.#endpoints.map((endpoint) => endpoint.id).sort();
    return { endpoints: ids.slice(0, MAX_DUMPED), totalEndpoints: ids.length, maxEndpoints: MAX_DUMPED };
  }

  /** Never rejects: a file that cannot be read or used leaves everything as it is. */
  async #reload(writer: PoolWriter, signal: AbortSignal): Promise<void> {
    if (this.#isReloading) {
      this.#isChangedMeanwhile = true;
      return;
    }
    this.#isReloading = true;
    do {
      this.#isChangedMeanwhile = false;
      try {
        const content = await this.#read();
        if (signal.aborted) break;
        this.#apply(content, writer);
        this.#lastFailure = '';
      } catch (error) {
        this.#noteFailure(describe(error));
      }
    } while (this.#isChangedMeanwhile && !signal.aborted);
    this.#isReloading = false;
  }

  /** Content of the file; rejects with `EndpointsFileError`. */
  async #read(): Promise<Buffer> {
    const { path } = this.#config;
    try {
      await using file = await open(path, 'r');
      // one byte more than is allowed tells too large from just large enough, whatever the size says
      const buffer = Buffer.allocUnsafe(MAX_FILE_BYTES + 1);
      let length = 0;
      for (;;) {
        const { bytesRead } = await file.read(buffer, length, buffer.length - length);
        length += bytesRead;
        if (length > MAX_FILE_BYTES) {
          throw new EndpointsFileError(`endpoints file ${path} exceeds 1 MiB limit`);
        }
        if (bytesRead === 0) return Buffer.from(buffer.subarray(0, length));
      }
    } catch (error) {
      if (error instanceof EndpointsFileError) throw error;
      throw new EndpointsFileError(`cannot read endpoints file ${path}: ${describe(error)}`, {
        cause: error,
      });
    }
  }

  /** Throws when the file as a whole is refused; then nothing changes. */
  #apply(content: Buffer, writer: PoolWriter): void {
    if (this.#content?.equals(content) === true) return;
    const document = parseEndpointsDocument(content.toString('utf8'), this.#metricsPlace);
    if (this.#config.strict && document.problems.length > 0) {
      throw new EndpointsFileError(document.problems.map(inLine).join('; '));
    }
    this.#content = content;
    this.#report(document);
    this.#endpoints = this.#withKept(document);
    this.#objectives = this.#withKeptObjectives(document);
    writer.replaceObjectives(this.#objectives);
    writer.replaceAll(this.#endpoints);
    this.#context.log.info(
      { path: this.#config.path, endpoints: this.#endpoints.length, objectives: this.#objectives.size },
      'endpoints file loaded',
    );
  }

  /** An endpoint whose entry became unusable stays as it was. */
  #withKept(document: EndpointsDocument): readonly EndpointMetadata[] {
    const broken = brokenIds(document, new Set<string>(document.endpoints.map((endpoint) => endpoint.id)));
    return [...document.endpoints, ...this.#endpoints.filter((endpoint) => broken.has(endpoint.id))];
  }

  #withKeptObjectives(document: EndpointsDocument): ReadonlyMap<string, number> {
    const present = new Set([...document.objectives.keys()].map((name) => `objective/${name}`));
    const broken = brokenIds(document, present);
    const kept = [...this.#objectives].filter(([name]) => broken.has(`objective/${name}`));
    return new Map([...document.objectives, ...kept]);
  }

  #report(document: EndpointsDocument): void {
    const { path } = this.#config;
    for (const { line, message } of document.problems) {
      this.#context.log.warn({ path, line, problem: message }, 'entry of the endpoints file is left out');
    }
    for (const { line, message } of document.repeated) {
      this.#context.log.warn({ path, line, problem: message }, 'entry of the endpoints file is repeated');
    }
  }

  #noteFailure(reason: string): void {
    if (reason === this.#lastFailure) return;
    this.#lastFailure = reason;
    this.#context.log.warn(
      { path: this.#config.path, reason },
      'endpoints file is unusable, nothing changes',
    );
  }
}

/** Identities of unusable entries that no usable entry has. */
function brokenIds(document: EndpointsDocument, usable: ReadonlySet<string>): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { id } of document.problems) if (id !== undefined && !usable.has(id)) ids.add(id);
  return ids;
}

function inLine(problem: EntryProblem): string {
  return `line ${problem.line}: ${problem.message}`;
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
