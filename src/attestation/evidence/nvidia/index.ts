export * from './device-fields.ts';
export * from './nras-answer.ts';
export * from './opaque-data.ts';
export * from './report.ts';
