export { tdxImageDigest } from './image-digest.ts';
export * from './qe-report.ts';
export * from './quote.ts';
export * from './td-attributes.ts';
export * from './td-report.ts';
export * from './xfam.ts';
