// What Node starts in the executable: the program with our own code cache. Node's knows only what a program compiles before
// it runs; ours is made after a start, so that no function of a start is compiled again. One that does not fit is passed over.
const { getRawAsset } = require('node:sea');
const { Script } = require('node:vm');

const cachedData = Buffer.from(getRawAsset('program.cache'));
const given = cachedData.length > 0 ? { cachedData } : {};
// The builder writes ASCII, but for names in comments. A slice takes a tenth of the time of a decoder, and half the memory.
const source = Buffer.from(getRawAsset('program.cjs')).latin1Slice();
const script = new Script(source, { filename: 'stack.cjs', ...given });
if (WARM_UP) {
  // In a throwaway executable of the builder only: when the appliance listens, the cache is written, and it stops.
  const { write } = process.stdout;
  process.stdout.write = (text) => {
    if (!String(text).includes('"listening"')) return write.call(process.stdout, text);
    require('node:fs').writeFileSync('cache', script.createCachedData());
    return process.kill(process.pid, 'SIGTERM');
  };
}
script.runInThisContext()(require, module, exports);
