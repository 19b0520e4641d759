export * from './bits.ts';
export * from './hcl.ts';
export * from './image-digest.ts';
export * from './product-line.ts';
export * from './report.ts';
