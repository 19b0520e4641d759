/** A router for web pages: its door, and a page's way to it. Runs in a browser as well. */
export { createWebDoor, type WebDoorOptions, type WebRouter } from './door.ts';
export { connectToRouterOverFetch, type FetchDeps } from './transport.ts';
