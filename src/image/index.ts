export * from './configuration.ts';
export * from './cpio.ts';
export * from './definition.ts';
export * from './erofs.ts';
export * from './file-tree.ts';
export * from './unified-kernel.ts';
export * from './verity.ts';
