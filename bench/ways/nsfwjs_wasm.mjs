// nsfwjs under node with the wasm backend, its threads and SIMD. It has no decoder of its own; where there is no native
// one, as with this backend, people use jpeg-js. Also told: its time without decoding. Wants in the folder it runs from:
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
let decoding = 0;
for (const [index, name] of [names[0], ...names].entries()) {
  const began = performance.now();
  const { width, height, data } = decoded(name);
  const ready = performance.now();
  const picture = tf.tensor3d(data, [height, width, 3], "int32");
  await model.classify(picture);
  picture.dispose();
  if (index === 0) continue; // it warms up
  seconds += (performance.now() - began) / 1000;
  decoding += (ready - began) / 1000;
}
console.log(JSON.stringify({ seconds, undecoded_s: seconds - decoding, backend: tf.getBackend() }));
process.exit(0);
