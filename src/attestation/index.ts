export * from './appraise/index.ts';
export * from './endorsements/index.ts';
export * from './evidence/composite/index.ts';
export * from './evidence/eventlog/index.ts';
export * from './evidence/nvidia/index.ts';
export * from './evidence/snp/index.ts';
export * from './evidence/tdx/index.ts';
export * from './verify/index.ts';
