/** Refuses to run the tests on a Node that an npm script should not have found (an old one first in PATH). */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 15)) {
  console.error(
    `Node ${process.versions.node} is too old: run through npm (\`npm test\`), which uses the pinned runtime, or install Node 24.15 or newer.`,
  );
  process.exit(2);
}
