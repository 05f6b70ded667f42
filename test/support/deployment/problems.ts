import type { z } from 'zod';
import { parseFlags, splitPoolName } from '../../../src/cli/flags.ts';
import { loadConfiguration } from '../../../src/config/load.ts';
import { problemText } from '../../../src/config/problems.ts';
import { CATALOGUE } from '../../../src/plugins/catalogue.ts';
import { CUSTOM_KINDS } from './custom-kinds.ts';
import { KINDS } from './kinds.ts';
import type { Manifest } from './render.ts';

/** The parts that the checks look at, of any kind; every object has passed its schema before. */
interface Loose extends Manifest {
  readonly data?: Readonly<Record<string, string>>;
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly { readonly name: string; readonly namespace: string }[];
  readonly spec: {
    readonly template: Template;
    readonly selector: Readonly<Record<string, string>> & {
      readonly matchLabels: Readonly<Record<string, string>>;
    };
    readonly ports: readonly {
      readonly targetPort: string | number;
      readonly port: number;
      readonly name: string;
    }[];
    readonly endpointPickerRef: { readonly name: string; readonly port: { readonly number: number } };
    readonly rules: readonly { readonly backendRefs: readonly { readonly name: string }[] }[];
    readonly targetRef?: { readonly kind: string; readonly name: string };
    readonly targetRefs?: readonly { readonly kind: string; readonly name: string }[];
  };
}

interface Template {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly serviceAccountName?: string;
    readonly containers: readonly Container[];
    readonly volumes?: readonly { readonly name: string; readonly configMap?: { readonly name: string } }[];
  };
}

interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
}

interface Probe {
  readonly grpc?: { readonly port: number };
  readonly httpGet?: { readonly port: string | number };
}

const SCHEMAS = new Map<string, z.ZodType>();
for (const schema of [...KINDS, ...CUSTOM_KINDS]) {
  const { apiVersion, kind } = (schema as (typeof CUSTOM_KINDS)[number]).shape; // all are made by `object`
  SCHEMAS.set(`${apiVersion.value} ${kind.value}`, schema);
}

/** What is wrong with each object by itself: kinds without schema, fields that are missing, unknown or malformed. */
export function schemaProblems(manifests: readonly Manifest[]): readonly string[] {
  return manifests.flatMap((manifest) => {
    const what = describe(manifest);
    const schema = SCHEMAS.get(`${manifest.apiVersion} ${manifest.kind}`);
    if (schema === undefined) return [`${what}: no schema for ${manifest.apiVersion}`];
    const { error } = schema.safeParse(manifest);
    return (error?.issues ?? []).map((issue) => `${what}: ${issue.path.join('.')}: ${issue.message}`);
  });
}

/** What of a whole set of objects does not fit together, and flags and configurations that the picker would refuse. */
export function setProblems(manifests: readonly Manifest[]): readonly string[] {
  const set = new ManifestSet(manifests as readonly Loose[]); // see Loose
  return [
    ...set.duplicates(),
    ...set.deployments(),
    ...set.services(),
    ...set.bindings(),
    ...set.pools(),
    ...set.targets(),
  ];
}

class ManifestSet {
  readonly #all: readonly Loose[];

  constructor(all: readonly Loose[]) {
    this.#all = all;
  }

  #find(kind: string, name: string): Loose | undefined {
    return this.#all.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  }

  #of(kind: string): readonly Loose[] {
    return this.#all.filter((manifest) => manifest.kind === kind);
  }

  duplicates(): readonly string[] {
    const seen = new Set<string>();
    return this.#all.flatMap((manifest) => {
      const what = describe(manifest);
      const isAgain = seen.has(what);
      seen.add(what);
      return isAgain ? [`${what}: twice`] : [];
    });
  }

  deployments(): readonly string[] {
    return this.#of('Deployment').flatMap((deployment) => {
      const { template, selector } = deployment.spec;
      const { containers, serviceAccountName, volumes = [] } = template.spec;
      const problems: string[] = [];
      if (!selects(selector.matchLabels, template.metadata.labels))
        problems.push('selects no pod of its own');
      if (serviceAccountName !== undefined && !this.#find('ServiceAccount', serviceAccountName)) {
        problems.push(`no ServiceAccount ${serviceAccountName}`);
      }
      for (const { configMap } of volumes) {
        if (configMap !== undefined && !this.#find('ConfigMap', configMap.name)) {
          problems.push(`no ConfigMap ${configMap.name}`);
        }
      }
      for (const container of containers) {
        problems.push(
          ...containerProblems(
            container,
            volumes.map((volume) => volume.name),
          ),
        );
        if (container.name === 'epp') problems.push(...this.#picker(deployment, container));
      }
      return problems.map((problem) => `${describe(deployment)}: ${problem}`);
    });
  }

  /** Flags and configuration, read by the program that will get them. */
  #picker(deployment: Loose, container: Container): readonly string[] {
    const namespace = deployment.metadata.namespace ?? 'default';
    const { options, errors, warnings } = parseFlags(container.args, { NAMESPACE: namespace });
    const problems = [...errors, ...warnings];
    const numbers = new Map(container.ports.map(({ name, containerPort }) => [name, containerPort]));
    const ports = {
      grpc: options.grpcPort,
      'grpc-health': options.grpcHealthPort,
      metrics: options.metricsPort,
    };
    for (const [name, port] of Object.entries(ports)) {
      if (numbers.get(name) !== port) problems.push(`listens on ${port}, not on its port ${name}`);
    }
    for (const { name } of options.poolNames.map(splitPoolName)) {
      if (this.#find('InferencePool', name) === undefined) problems.push(`no InferencePool ${name}`);
    }
    if ((options.poolNames.length === 0) === (options.endpointSelector === ''))
      problems.push('wanted one: pool or selector');
    if (options.poolNamespace !== namespace) problems.push(`reads pods of ${options.poolNamespace}`);
    const mount = container.volumeMounts?.find(({ mountPath }) =>
      options.configFile.startsWith(`${mountPath}/`),
    );
    const volume = deployment.spec.template.spec.volumes?.find(({ name }) => name === mount?.name);
    const files = this.#find('ConfigMap', volume?.configMap?.name ?? '')?.data ?? {};
    if (files[options.configFile.slice((mount?.mountPath.length ?? 0) + 1)] === undefined) {
      problems.push(`${options.configFile} is not mounted`);
    }
    const allowExperimental = options.allowExperimentalPlugins;
    for (const [file, text] of Object.entries(files)) {
      // the file that is not used may need a flag that is not given
      const isUsed = options.configFile.endsWith(`/${file}`);
      problems.push(
        ...configurationProblems(text, allowExperimental || !isUsed).map((line) => `${file}: ${line}`),
      );
    }
    return problems;
  }

  services(): readonly string[] {
    return this.#of('Service').flatMap((service) => {
      const { selector, ports } = service.spec;
      const pods = this.#of('Deployment').filter(({ spec }) =>
        selects(selector, spec.template.metadata.labels),
      );
      // the pods of model servers are somebody else's
      if (pods.length === 0 && service.metadata.name.endsWith('-model-servers')) return [];
      if (pods.length !== 1) return [`${describe(service)}: selects ${pods.length} deployments`];
      const names = (pods[0]?.spec.template.spec.containers ?? []).flatMap((container) =>
        container.ports.flatMap(({ name, containerPort }): (string | number)[] => [name, containerPort]),
      );
      return ports
        .filter(({ targetPort }) => !names.includes(targetPort))
        .map(({ targetPort }) => `${describe(service)}: no container has port ${targetPort}`);
    });
  }

  bindings(): readonly string[] {
    return [...this.#of('RoleBinding'), ...this.#of('ClusterRoleBinding')].flatMap((binding) => {
      const { roleRef, subjects = [], metadata } = binding;
      const problems: string[] = [];
      if (roleRef !== undefined && !this.#find(roleRef.kind, roleRef.name))
        problems.push(`no ${roleRef.kind} ${roleRef.name}`);
      for (const { name, namespace } of subjects) {
        const isForeign = name === 'collector'; // of Google's Prometheus
        const account = this.#find('ServiceAccount', name);
        if (!isForeign && account === undefined) problems.push(`no ServiceAccount ${name}`);
        if (account !== undefined && namespace !== account.metadata.namespace)
          problems.push(`${name} is in another namespace`);
      }
      return problems.map((problem) => `${describe({ ...binding, metadata })}: ${problem}`);
    });
  }

  pools(): readonly string[] {
    const problems: string[] = [];
    for (const pool of this.#of('InferencePool')) {
      const { name, port } = pool.spec.endpointPickerRef;
      const service = this.#find('Service', name);
      if (!service?.spec.ports.some((candidate) => candidate.port === port.number)) {
        problems.push(`${describe(pool)}: no Service ${name} with port ${port.number}`);
      }
    }
    for (const route of this.#of('HTTPRoute')) {
      for (const { name } of route.spec.rules.flatMap((rule) => rule.backendRefs)) {
        if (!this.#find('InferencePool', name)) problems.push(`${describe(route)}: no InferencePool ${name}`);
      }
    }
    return problems;
  }

  /** Policies of gateways and what they are about. */
  targets(): readonly string[] {
    return this.#all.flatMap((manifest) => {
      const { targetRef, targetRefs = [] } = (manifest as Partial<Loose>).spec ?? {};
      return [...targetRefs, ...(targetRef === undefined ? [] : [targetRef])]
        .filter(({ kind, name }) => !this.#find(kind, name))
        .map(({ kind, name }) => `${describe(manifest)}: no ${kind} ${name}`);
    });
  }
}

/** Problems and warnings of a configuration, as the picker would report them. */
export function configurationProblems(text: string, allowExperimental = false): readonly string[] {
  return loadConfiguration(text, { catalogue: CATALOGUE, allowExperimental }).problems.map(problemText);
}

function containerProblems(container: Container, volumes: readonly string[]): readonly string[] {
  const ports = new Set<string | number>(
    container.ports.flatMap(({ name, containerPort }) => [name, containerPort]),
  );
  const probed = [container.livenessProbe, container.readinessProbe].flatMap((probe) => {
    const port = probe?.grpc?.port ?? probe?.httpGet?.port;
    return port === undefined ? [] : [port];
  });
  return [
    ...probed
      .filter((port) => !ports.has(port))
      .map((port) => `${container.name}: probes port ${port}, which it has not`),
    ...(container.volumeMounts ?? [])
      .filter(({ name }) => !volumes.includes(name))
      .map(({ name }) => `${container.name}: no volume ${name}`),
  ];
}

function selects(
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(selector).every(([name, value]) => labels[name] === value);
}

function describe(manifest: Manifest): string {
  return `${manifest.kind} ${manifest.metadata.name}`;
}
