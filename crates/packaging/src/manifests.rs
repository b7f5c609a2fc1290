//! Manifests that run the image or the executable elsewhere: Kubernetes, KServe, systemd. Text, made from templates.

use base::Diagnostic;
use serde_json::json;

use crate::serving::{API_KEYS, PORT, Place, serve_arguments};
use crate::{PackageError, Subject};

/// Who runs the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestKind {
    /// A Deployment, a Service and a HorizontalPodAutoscaler that run the image.
    Kubernetes,
    /// An InferenceService of KServe that runs the image.
    Kserve,
    /// A unit of systemd that runs the executable.
    Systemd,
}

/// Longest name of a Kubernetes object that other names are made of: a label has 63 characters, and these have suffixes.
const NAME_CHARACTERS_MAX: usize = 50;

/// The manifest with which `kind` runs the model; `image` is the image's name in a registry.
///
/// Errors   an image's name that YAML could read as something else.
pub fn manifest_text(
    subject: Subject<'_>,
    kind: ManifestKind,
    image: Option<&str>,
) -> Result<String, PackageError> {
    let name = object_name(subject.short_name());
    let default = format!("{name}:{}", subject.model.version.version);
    let image = image.unwrap_or(&default);
    if image.is_empty() || !image.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c)) {
        let message = format!("`{}` is no name of an image", image.escape_debug());
        return Err(Diagnostic::new("image-name", message)
            .help("write it as a registry does: REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST")
            .into());
    }
    let fields = Fields { name, image, subject };
    Ok(match kind {
        ManifestKind::Kubernetes => fields.kubernetes(),
        ManifestKind::Kserve => fields.kserve(),
        ManifestKind::Systemd => fields.systemd(),
    })
}

/// `name` as Kubernetes names objects (RFC 1123 labels): lower-case letters, digits and `-`, the first a letter.
fn object_name(name: &str) -> String {
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let plain: String = plain.collect();
    let short: String = plain.trim_matches('-').chars().take(NAME_CHARACTERS_MAX).collect();
    let short = short.trim_matches('-');
    match short.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => short.to_owned(),
        Some(_) => format!("model-{short}"),
        None => "model".to_owned(),
    }
}

struct Fields<'a> {
    name: String,
    image: &'a str,
    subject: Subject<'a>,
}

impl Fields<'_> {
    fn kubernetes(&self) -> String {
        let Fields { name, image, subject } = self;
        let version = &subject.model.version;
        let container = indented(&self.container("server", image), 8);
        format!(
            "\
# {id}, digest {digest}
# Who may ask it: kubectl create secret generic {name}-api-keys --from-file=api-keys=FILE
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/version: \"{number}\"
    app.kubernetes.io/managed-by: heirloom
  annotations:
    heirloom.model: {quoted_id}
    heirloom.digest: \"{digest}\"
spec:
  replicas: 2
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
        app.kubernetes.io/version: \"{number}\"
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 30
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
      containers:
{container}      volumes:
        - name: api-keys
          secret:
            secretName: {name}-api-keys
            defaultMode: 288
---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
    - name: http
      port: 80
      targetPort: http
      protocol: TCP
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {name}
  minReplicas: 2
  maxReplicas: 10
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 70
",
            id = version.id(),
            quoted_id = json!(version.id()),
            digest = version.digest,
            number = version.version,
        )
    }

    fn kserve(&self) -> String {
        let Fields { name, image, subject } = self;
        let version = &subject.model.version;
        let container = indented(&self.container("kserve-container", image), 6);
        format!(
            "\
# {id}, digest {digest}
# Who may ask it: kubectl create secret generic {name}-api-keys --from-file=api-keys=FILE
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {name}
  annotations:
    heirloom.model: {quoted_id}
    heirloom.digest: \"{digest}\"
spec:
  predictor:
    minReplicas: 1
    automountServiceAccountToken: false
    securityContext:
      runAsNonRoot: true
      runAsUser: 65532
      runAsGroup: 65532
      fsGroup: 65532
      seccompProfile:
        type: RuntimeDefault
    containers:
{container}    volumes:
      - name: api-keys
        secret:
          secretName: {name}-api-keys
          defaultMode: 288
",
            id = version.id(),
            quoted_id = json!(version.id()),
            digest = version.digest,
        )
    }

    /// The container, as one item of a list: probes, resources, nothing but what it needs. KServe asks a container for
    /// its protocol by the variable.
    fn container(&self, name: &str, image: &str) -> String {
        format!(
            "\
- name: {name}
  image: {image}
  env:
    - name: PROTOCOL
      value: v2
  ports:
    - name: http
      containerPort: {PORT}
      protocol: TCP
  startupProbe:
    httpGet:
      path: /v2/health/ready
      port: {PORT}
    periodSeconds: 1
    failureThreshold: 60
  livenessProbe:
    httpGet:
      path: /v2/health/live
      port: {PORT}
    periodSeconds: 10
    failureThreshold: 3
  readinessProbe:
    httpGet:
      path: /v2/health/ready
      port: {PORT}
    periodSeconds: 5
    failureThreshold: 2
  resources:
    requests:
      cpu: 250m
      memory: 128Mi
    limits:
      memory: 512Mi
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop:
        - ALL
  volumeMounts:
    - name: api-keys
      mountPath: {folder}
      readOnly: true
",
            folder = API_KEYS.rsplit_once('/').map_or("/", |(folder, _)| folder),
        )
    }

    fn systemd(&self) -> String {
        let Fields { name, subject, .. } = self;
        let version = &subject.model.version;
        let place =
            Place { store: None, address: "127.0.0.1", api_keys: "${CREDENTIALS_DIRECTORY}/api-keys" };
        let arguments = serve_arguments(version, place).join(" ");
        format!(
            "\
# {id}, digest {digest}
# Install: heirloom package {id} --as static --output {name}, then copy {name} to /usr/local/bin
[Unit]
Description=Answers of the model {id}
After=network.target

[Service]
Type=exec
ExecStart=/usr/local/bin/{name} {arguments}
Restart=on-failure
RestartSec=1
TimeoutStopSec=30
DynamicUser=yes
LoadCredential=api-keys:{API_KEYS}
AmbientCapabilities=
CapabilityBoundingSet=
LockPersonality=yes
MemoryDenyWriteExecute=yes
MemoryMax=512M
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077

[Install]
WantedBy=multi-user.target
",
            id = version.id(),
            digest = version.digest,
        )
    }
}

/// `text` with every line moved to the right.
fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels() {
        for (name, expect) in [
            ("digits", "digits"),
            ("Digits_2.0", "digits-2-0"),
            ("7segments", "model-7segments"),
            ("--", "model"),
            (&"a-".repeat(60), &format!("{}a", "a-".repeat(24))),
        ] {
            assert_eq!(object_name(name), expect);
        }
    }
}
