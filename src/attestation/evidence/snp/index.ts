export * from './bits.ts';
export * from './product-line.ts';
export * from './report.ts';
