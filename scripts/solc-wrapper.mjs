#!/usr/bin/env node
// The command line of `solc`, answered by npm's `solc`, for machines that cannot download a native compiler.
//
// compile_contracts.py links it into py-solc-x's folder, where py-solc-x, brownie, slither and forge find it. They do
// not accept npm's own `solcjs`: they want the native banner, --standard-json on stdin and (slither) --combined-json.
// Nothing else of the command line is imitated; what is not understood is refused.
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { createRequire } from "node:module";

// Baked in, since loading the compiler takes half a second and tools ask often; checked before every compilation.
const VERSION = "0.8.37+commit.f401782d.Emscripten.clang";
const BANNER = `solc, the solidity compiler commandline interface\nVersion: ${VERSION}\n`;
const COMBINED = ["abi", "ast", "bin", "bin-runtime", "devdoc", "hashes", "metadata", "srcmap", "srcmap-runtime", "userdoc"];

function refuse(message) {
  process.stderr.write(`Error: ${message}\n`);
  process.exit(1);
}

function parse(argv) {
  const options = { files: [], remappings: [], include: [], base: ".", settings: { optimizer: { enabled: false } } };
  for (let at = 0; at < argv.length; at++) {
    const value = () => argv[++at] ?? refuse(`${argv[at - 1]} needs a value`);
    const argument = argv[at];
    if (argument === "--standard-json") options.standard = true;
    else if (argument === "--combined-json") options.combined = value().split(",");
    else if (argument === "--base-path") options.base = value();
    else if (argument === "--include-path") options.include.push(value());
    else if (argument === "--allow-paths") value(); // reads only what a source imports
    else if (argument === "--evm-version") options.settings.evmVersion = value();
    else if (argument === "--optimize") options.settings.optimizer.enabled = true;
    else if (argument === "--optimize-runs") options.settings.optimizer.runs = Number(value());
    else if (argument === "--via-ir") options.settings.viaIR = true;
    else if (argument.startsWith("--")) refuse(`unrecognised option '${argument}'`);
    else if (argument.includes("=")) options.remappings.push(argument);
    else if (argument !== "-") options.files.push(argument);
  }
  return options;
}

function compile(input, options) {
  const solc = createRequire(import.meta.url)("solc");
  if (solc.version() !== VERSION) refuse(`npm's solc is ${solc.version()}, not ${VERSION}: run npm ci`);
  const read = (name) => {
    for (const folder of [options.base, ...options.include]) {
      const file = path.resolve(folder, name);
      if (fs.existsSync(file)) return { contents: fs.readFileSync(file, "utf8") };
    }
    return { error: "File not found" };
  };
  // The compiler asks its caller only for imports; sources given as paths are read here.
  for (const source of Object.values(input.sources)) {
    if (source.content !== undefined) continue;
    const found = (source.urls ?? []).map(read).find((answer) => answer.contents !== undefined);
    if (found) source.content = found.contents;
  }
  return JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
}

function combinedJson(options) {
  const unknown = options.combined.filter((output) => !COMBINED.includes(output));
  if (unknown.length) refuse(`--combined-json cannot give ${unknown.join(", ")}`);
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(options.files.map((file) => [file, { urls: [file] }])),
    settings: { ...options.settings, remappings: options.remappings, outputSelection: { "*": { "*": ["*"], "": ["ast"] } } },
  };
  const output = compile(input, options);
  for (const { formattedMessage } of output.errors ?? []) process.stderr.write(formattedMessage);
  if ((output.errors ?? []).some(({ severity }) => severity === "error")) process.exit(1);
  const contracts = {};
  for (const [file, inFile] of Object.entries(output.contracts ?? {})) {
    for (const [name, { abi, devdoc, userdoc, metadata, evm }] of Object.entries(inFile)) {
      const all = {
        abi, devdoc, userdoc, metadata, hashes: evm.methodIdentifiers,
        bin: evm.bytecode.object, srcmap: evm.bytecode.sourceMap,
        "bin-runtime": evm.deployedBytecode.object, "srcmap-runtime": evm.deployedBytecode.sourceMap,
      };
      const wanted = Object.entries(all).filter(([key]) => options.combined.includes(key));
      contracts[`${file}:${name}`] = Object.fromEntries(wanted);
    }
  }
  const sources = Object.fromEntries(Object.entries(output.sources).map(([file, { ast }]) => [file, { AST: ast }]));
  return { contracts, sources, sourceList: Object.keys(output.sources), version: VERSION };
}

const argv = process.argv.slice(2);
if (argv.includes("--version")) {
  process.stdout.write(BANNER);
} else if (argv.includes("--help")) {
  process.stdout.write(`${BANNER}  --combined-json ${COMBINED.join(",")}\n  --standard-json\n`);
} else {
  const options = parse(argv);
  if (options.standard) {
    // Not readFileSync(0): a pipe that is not filled yet fails with EAGAIN.
    const source = options.files.length ? fs.createReadStream(options.files[0]) : process.stdin;
    const chunks = [];
    for await (const chunk of source) chunks.push(chunk);
    process.stdout.write(JSON.stringify(compile(JSON.parse(Buffer.concat(chunks).toString()), options)));
  } else if (options.combined) {
    process.stdout.write(JSON.stringify(combinedJson(options)));
  } else {
    refuse("only --standard-json and --combined-json are understood");
  }
}
