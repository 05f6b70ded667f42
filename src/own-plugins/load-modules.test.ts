import { expect, test } from 'vitest';
import { loadModules } from './load-modules.ts';

// imports themselves are tried in test/integration/own-plugins.test.ts: they need a Node.js of their own

test.each(['file://host/x.ts', 'file:///%zz', 'file:///%2fx', './nothing-here.ts'])(
  '%s has a fault',
  async (name) => {
    const modules = await loadModules([name], '/folder');
    expect(modules.get(name)?.fault).toEqual(expect.any(String));
  },
);
