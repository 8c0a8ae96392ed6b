// Objects of custom kinds as a JSON array on stdin; a complaint a line on stdout. An unknown kind is a complaint too, and
// so is an unknown member: the packages' validators let those pass, as an API server prunes them, so what a validator
// never looked at is told here.
import { readFileSync } from "node:fs";

const packages = {
  "monitoring.coreos.com": "prometheus-operator",
  "gateway.networking.k8s.io": "gateway-api",
  "networking.istio.io": "istio",
  "security.istio.io": "istio",
};

for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const [group, version] = object.apiVersion.split("/");
  const name = `${object.kind} ${object.metadata?.name}`;
  try {
    const module = `@kubernetes-models/${packages[group]}/${group}/${version}/${object.kind}`;
    const Kind = (await import(module))[object.kind];
    const unknown = new Set();
    Kind.prototype.validate.call(watched(object, "", unknown));
    for (const path of unknown) console.log(`${name}: there is no ${path}`);
  } catch (error) {
    console.log(`${name}: ${error.message.split("\n")[0]}`);
  }
}

// `unknown` holds, at the end, the members of which nobody asked in an object of which somebody asked others. An object
// that was walked through is a map; one that nobody looked into may hold anything.
function watched(value, path, unknown) {
  if (value === null || typeof value !== "object") return value;
  const below = {};
  let looked = Array.isArray(value);
  return new Proxy(value, {
    get(target, key) {
      if (typeof key !== "string" || Array.isArray(target) && !/^\d+$/.test(key)) return target[key];
      if (!looked) {
        looked = true;
        for (const each of Object.keys(target)) unknown.add(`${path}.${each}`);
      }
      unknown.delete(`${path}.${key}`);
      return (below[key] ??= watched(target[key], `${path}.${key}`, unknown));
    },
    ownKeys(target) {
      looked = true;
      for (const each of Object.keys(target)) unknown.delete(`${path}.${each}`);
      return Reflect.ownKeys(target);
    },
  });
}
