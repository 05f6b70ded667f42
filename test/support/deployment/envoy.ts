/** How Envoy in a pod differs from a published example. */
export interface ProxyOptions {
  /** Comment at the top, without `#`. */
  readonly title: string;
  /** Texts of the example, each once in it, and what stands in their place. */
  readonly edits: readonly (readonly [string, string])[];
}

const READY_LISTENER = `  listeners:
    # For probes (/ready) and Prometheus (/stats/prometheus).
    - name: ready
      address: { socket_address: { address: 0.0.0.0, port_value: 19001 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ready
                route_config:
                  virtual_hosts:
                    - name: stats
                      domains: ["*"]
                      routes:
                        - match: { path: /stats/prometheus }
                          route: { cluster: admin }
                http_filters:
                  - name: envoy.filters.http.health_check
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck
                      pass_through_mode: false
                      headers: [{ name: ":path", string_match: { exact: /ready } }]
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
`;

const ADMIN_CLUSTER = `  clusters:
    - name: admin
      type: STATIC
      load_assignment:
        cluster_name: admin
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 19000 } } }
`;

/**
 * An Envoy configuration for a pod, made of an example in `config/envoy`: it listens on every address, answers probes,
 * speaks TLS to the picker and checks its health. Throws when the example has changed so that an edit does not fit.
 */
export function proxyConfiguration(example: string, options: ProxyOptions): string {
  const start = example.indexOf('admin:\n');
  let text = `# ${options.title}\n${example.slice(start)}`;
  const edits: (readonly [string, string])[] = [
    ['  listeners:\n', READY_LISTENER],
    ['  clusters:\n', ADMIN_CLUSTER],
    ...options.edits,
  ];
  for (const [from, to] of edits) {
    if (text.split(from).length !== 2) throw new Error(`wanted once in the example of Envoy: ${from}`);
    text = text.replace(from, () => to);
  }
  return withoutEdits(uncommented(text));
}

/** Turns on what the examples have for TLS and health checks. */
function uncommented(text: string): string {
  return text.replaceAll(
    /^( +)# (transport_socket:|health_checks:)\n((?:\1# {2,}.*\n)+)/gm,
    (_, indent: string, head: string, rest: string) =>
      `${indent}${head}\n${rest.replaceAll(new RegExp(`^${indent}# `, 'gm'), indent)}`,
  );
}

/** Nobody is asked to edit a file that is generated. */
function withoutEdits(text: string): string {
  return text.replaceAll(/^ *# EDIT:.*\n(?: *# [a-z].*[.]\n)?/gm, '');
}
