/** What an application imports: `import { connect } from 'chrysalis'`. */
export { type ConnectOptions, connect } from './connect.ts';
export * from './shared.ts';
