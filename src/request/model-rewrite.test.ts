import { expect, test } from 'vitest';
import { context } from '../../test/support/builders.ts';
import type { RewriteRule } from '../framework/model-rewrites.ts';
import { ModelRewriter } from './model-rewrite.ts';

const canary: RewriteRule = {
  name: 'canary',
  namespace: 'ns',
  createdAtMs: 0,
  index: 0,
  models: ['llama'],
  targets: [{ model: 'llama-2', weight: 1 }],
};

test('decisions are counted, and configured models are pinned', () => {
  const { rng, instruments } = context();
  const pinned: string[] = [];
  const rewriter = new ModelRewriter({ rng, instruments, pinModel: (model) => void pinned.push(model) });
  expect(rewriter.rewriteOf('llama')).toBeUndefined();

  rewriter.replaceRules([canary]);
  expect(pinned).toEqual(['llama', 'llama-2']);
  expect(rewriter.rewriteOf('llama')).toBe('llama-2');
  expect(rewriter.rewriteOf('llama')).toBe('llama-2');
  expect(rewriter.rewriteOf('other')).toBeUndefined();
  expect([...instruments.counters]).toEqual([
    [
      'model_rewrite_decisions_total{model_name="llama",model_rewrite_name="canary",target_model="llama-2"}',
      { value: 2 },
    ],
  ]);

  rewriter.replaceRules([]);
  expect(rewriter.rewriteOf('llama')).toBeUndefined();
});

test('a rule without targets makes the model name empty', () => {
  const rewriter = new ModelRewriter({ ...context(), pinModel: () => {} });
  rewriter.replaceRules([{ ...canary, models: [], targets: [] }]);
  expect(rewriter.rewriteOf('any')).toBe('');
});
