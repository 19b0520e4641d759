export * from './bundle.ts';
export * from './devices.ts';
export * from './event-log.ts';
export * from './report-data.ts';
