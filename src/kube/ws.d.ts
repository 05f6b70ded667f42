/** Named by the declarations of `@kubernetes/client-node` for what this product does not use. */
declare module 'ws';
