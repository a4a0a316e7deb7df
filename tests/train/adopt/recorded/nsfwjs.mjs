// Records what the real nsfwjs answers for raw pixels. Run once, outside the project:
//   npm install nsfwjs@4.4.0 @tensorflow/tfjs@4.22.0 buffer     (in an empty folder, with a copy of this file)
//   node nsfwjs.mjs PIXELS.json > nsfwjs.json
// PIXELS.json is made by `python -m tests.train.adopt.recorded.pixels`: name -> {height, width, rgb: base64}.
import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { load } from "nsfwjs/core";
import { MobileNetV2Model } from "nsfwjs/models/mobilenet_v2";

console.info = () => {};
const classes = ["Drawing", "Hentai", "Neutral", "Porn", "Sexy"];
const wanted = JSON.parse(readFileSync(process.argv[2], "utf8"));
await tf.setBackend("cpu");
const model = await load("MobileNetV2", { modelDefinitions: [MobileNetV2Model] });
const pictures = {};
for (const [name, { height, width, rgb, sha256 }] of Object.entries(wanted)) {
  const picture = tf.tensor3d(new Uint8Array(Buffer.from(rgb, "base64")), [height, width, 3], "int32");
  const answer = await model.classify(picture, classes.length);
  const found = Object.fromEntries(answer.map((one) => [one.className, one.probability]));
  pictures[name] = { sha256, probabilities: classes.map((one) => found[one]) };
  picture.dispose();
}
const versions = { nsfwjs: "4.4.0", tfjs: tf.version.tfjs, backend: tf.getBackend() };
console.log(JSON.stringify({ versions, classes, pictures }, null, 1));
