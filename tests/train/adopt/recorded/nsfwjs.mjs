// Records what a real model of nsfwjs answers for raw pixels. Run once per model, outside the project:
//   npm install nsfwjs@4.4.0 @tensorflow/tfjs@4.22.0 buffer     (in an empty folder, with a copy of this file)
//   node nsfwjs.mjs PIXELS.json mobilenet_v2_mid > mobilenet_v2_mid.json
// PIXELS.json is made by `python -m tests.train.adopt.recorded.pixels`: name -> {height, width, rgb: base64}.
import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { load } from "nsfwjs/core";

console.info = () => {};
const classes = ["Drawing", "Hentai", "Neutral", "Porn", "Sexy"];
const [, , file, name] = process.argv;
const wanted = JSON.parse(readFileSync(file, "utf8"));
const [definition] = Object.values(await import(`nsfwjs/models/${name}`));
await tf.setBackend("cpu");
const model = await load(definition.name, { modelDefinitions: [definition] });
const pictures = {};
for (const [picture, { height, width, rgb, sha256 }] of Object.entries(wanted)) {
  const pixels = tf.tensor3d(new Uint8Array(Buffer.from(rgb, "base64")), [height, width, 3], "int32");
  const answer = await model.classify(pixels, classes.length);
  const found = Object.fromEntries(answer.map((one) => [one.className, one.probability]));
  pictures[picture] = { sha256, probabilities: classes.map((one) => found[one]) };
  pixels.dispose();
}
const versions = { nsfwjs: "4.4.0", tfjs: tf.version.tfjs, backend: tf.getBackend() };
console.log(JSON.stringify({ versions, classes, pictures }, null, 1));
