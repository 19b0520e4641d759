/** A page's way to a router's door for web pages. Runs in a browser. */
export { connectToRouterOverFetch, type FetchDeps } from './transport.ts';
