// nsfwjs under node with the wasm backend, its threads and SIMD, on decoded pixels: a decoder of its own it has not, so
// decoding is left out, in its favour. Wants in the folder it runs from:
//   npm install nsfwjs@4.4.0 @tensorflow/tfjs@4 @tensorflow/tfjs-backend-wasm@4 jpeg-js buffer
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import jpeg from "jpeg-js";
import { load } from "nsfwjs/core";
import { MobileNetV2Model } from "nsfwjs/models/mobilenet_v2";

console.info = () => {};
const { BENCH_DIR, BENCH_COUNT } = process.env;
await tf.setBackend("wasm");
const model = await load("MobileNetV2", { modelDefinitions: [MobileNetV2Model] });
const names = readdirSync(join(BENCH_DIR, "pictures")).sort().slice(0, Number(BENCH_COUNT));
const decoded = (name) => jpeg.decode(readFileSync(join(BENCH_DIR, "pictures", name)), { formatAsRGBA: false });
let seconds = 0;
for (const [index, name] of [names[0], ...names].entries()) {
  const { width, height, data } = decoded(name);
  const began = performance.now();
  const picture = tf.tensor3d(data, [height, width, 3], "int32");
  await model.classify(picture);
  picture.dispose();
  if (index > 0) seconds += (performance.now() - began) / 1000; // the first warms up
}
console.log(JSON.stringify({ seconds, backend: tf.getBackend() }));
process.exit(0);
