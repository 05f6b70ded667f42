# Made of config/envoy/override-host.yaml by npm run docs: Envoy in a pod.
admin:
  address: { socket_address: { address: 127.0.0.1, port_value: 19000 } }
static_resources:
  listeners:
    # For probes (/ready) and Prometheus (/stats/prometheus).
    - name: ready
      address: { socket_address: { address: {{ .Values.router.proxy.listenAddress | quote }}, port_value: 19001 } }
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
    - name: inference
      address: { socket_address: { address: {{ .Values.router.proxy.listenAddress | quote }}, port_value: {{ .Values.router.proxy.port }} } }
      # Large prompts: room for a megabyte in flight before reading pauses.
      per_connection_buffer_limit_bytes: 1048576
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: inference
                # Requests may queue in the picker, and first tokens may take minutes.
                stream_idle_timeout: 0s
                request_headers_timeout: 30s
                # Runs before every filter: a client must not choose its destination past the picker. Removing the
                # headers on the route would be too late, after the picker has set them.
                early_header_mutation_extensions:
                  - name: strip-destination
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation
                      mutations:
                        - remove: x-gateway-destination-endpoint
                        - remove: x-prefiller-host-port
                        - remove: x-encoder-hosts-ports
                        - remove: x-data-parallel-host-port
                        - remove: x-kv-cache-source-host-port
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { prefix: "/" }
                          # The default of 15 s would cut long answers.
                          route:
                            cluster: pool
                            timeout: 86400s
                            idle_timeout: 86400s
                            retry_policy: { retry_on: connect-failure, num_retries: 1 }
                http_filters:
                  - name: envoy.filters.http.ext_proc
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
                      # true lets requests through when the picker cannot be reached and no body has been sent to it yet.
                      failure_mode_allow: true
                      grpc_service:
                        envoy_grpc: { cluster_name: epp, authority: "epp:9002" }
                      processing_mode:
                        request_header_mode: SEND
                        request_body_mode: FULL_DUPLEX_STREAMED
                        request_trailer_mode: SEND
                        response_header_mode: SEND
                        response_body_mode: FULL_DUPLEX_STREAMED
                        response_trailer_mode: SEND
                      message_timeout: 600s
                      metadata_options:
                        # Served endpoint and subset hint to the picker, destination from it.
                        forwarding_namespaces: { untyped: ["envoy.lb", "envoy.lb.subset_hint"] }
                        receiving_namespaces: { untyped: ["envoy.lb"] }
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
    - name: admin
      type: STATIC
      load_assignment:
        cluster_name: admin
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 19000 } } }
    - name: pool
      type: STRICT_DNS
      connect_timeout: 5s
      load_balancing_policy:
        policies:
          - typed_extension_config:
              name: envoy.load_balancing_policies.override_host
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost
                override_host_sources:
                  - metadata: { key: envoy.lb, path: [{ key: x-gateway-destination-endpoint }] }
                  - header: x-gateway-destination-endpoint
                # Publishes the endpoint that served, for the picker's accounting.
                selected_host_key:
                  key: envoy.lb
                  path: [{ key: x-gateway-destination-endpoint-served }]
                fallback_policy:
                  policies:
                    - typed_extension_config:
                        name: envoy.load_balancing_policies.round_robin
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin
      load_assignment:
        cluster_name: pool
        endpoints:
          - lb_endpoints:
              {{- range .picker.ports }}
              - endpoint: { address: { socket_address: { address: {{ $.picker.servers }}, port_value: {{ .number }} } } }
              {{- end }}
      # The default of 1024 would refuse requests: every open exchange counts, queued ones included.
      circuit_breakers:
        thresholds: [{ max_connections: 40000, max_pending_requests: 40000, max_requests: 40000 }]
    - name: epp
      type: {{ .picker.clusterType }}
      lb_policy: LEAST_REQUEST
      connect_timeout: 5s
      # Each open exchange holds one stream to the picker.
      circuit_breakers:
        thresholds: [{ max_connections: 40000, max_pending_requests: 40000, max_requests: 40000 }]
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config:
            http2_protocol_options: { initial_stream_window_size: 65536, initial_connection_window_size: 1048576 }
      {{- if .picker.isSecure }}
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          common_tls_context: { alpn_protocols: [h2], validation_context: {} }
      {{- end }}
      health_checks:
        - timeout: 2s
          interval: 10s
          unhealthy_threshold: 3
          healthy_threshold: 2
          grpc_health_check: { service_name: envoy.service.ext_proc.v3.ExternalProcessor }
      # Once the checks have failed, requests go round the list without asking.
      # Without it Envoy goes on asking a picker that is gone, and fails every request whose body it has begun to send.
      common_lb_config: { healthy_panic_threshold: { value: 0 } }
      load_assignment:
        cluster_name: epp
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: {{ .picker.address }}, port_value: {{ .picker.port }} } } }
