// Objects of custom kinds as a JSON array on stdin; a complaint a line on stdout. An unknown kind is a complaint too.
import { readFileSync } from "node:fs";

const packages = {
  "monitoring.coreos.com": "prometheus-operator",
  "gateway.networking.k8s.io": "gateway-api",
};

for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const [group, version] = object.apiVersion.split("/");
  const name = `${object.kind} ${object.metadata?.name}`;
  try {
    const module = `@kubernetes-models/${packages[group]}/${group}/${version}/${object.kind}`;
    const Kind = (await import(module))[object.kind];
    new Kind(object).validate();
  } catch (error) {
    console.log(`${name}: ${error.message.split("\n")[0]}`);
  }
}
