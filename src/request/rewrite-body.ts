import { scanMembers } from '../util/json-scan.ts';

/**
 * `bytes` with every top-level `model` replaced by `model`, or with one added in front when there is none; as slices
 * of the untouched original around the new parts. Undefined when `bytes` is no complete JSON object. The rest
 * keeps its bytes, so that numbers, key order and white space reach the model server as the client wrote them.
 */
export function rewriteModel(bytes: Buffer, model: string): Buffer[] | undefined {
  const scan = scanMembers(bytes, 'model');
  if (scan === undefined || scan.end < 0) return undefined;
  const value = JSON.stringify(model);
  if (scan.values.length === 0) {
    const member = Buffer.from(scan.isEmpty ? `"model":${value}` : `"model":${value},`);
    return [bytes.subarray(0, scan.open + 1), member, bytes.subarray(scan.open + 1)];
  }
  const replacement = Buffer.from(value);
  const slices: Buffer[] = [];
  let from = 0;
  for (const { start, end } of scan.values) {
    slices.push(bytes.subarray(from, start), replacement);
    from = end;
  }
  slices.push(bytes.subarray(from));
  return slices;
}
