import { installResolveHook } from './resolve-hook.ts';

// for programs other than `epp` that load plugins: the tests that `epp new-plugin` writes
installResolveHook();
