{{/* Names are fixed, not made from the release's: the CRDs exist once in a cluster, and the operator knows its objects by name. */}}

{{/* Of a list: the root, and "agent" or "operator". */}}
{{- define "floatip.image" -}}
{{- $root := index . 0 -}}
{{- $image := index $root.Values.image (index . 1) -}}
{{- $tag := $image.tag | default $root.Chart.AppVersion -}}
{{- $image.repository }}{{ if hasPrefix "sha256:" $tag }}@{{ else }}:{{ end }}{{ $tag }}
{{- end }}

{{- define "floatip.labels" -}}
app.kubernetes.io/part-of: floatip
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "floatip.agentUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:floatip-agent
{{- end }}

{{/* How every Pod of the operator's image runs: also the ones of the hooks. */}}
{{- define "floatip.operatorPodSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "floatip.operatorContainerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "floatip.operatorPlacement" -}}
{{- with .Values.operator.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The container of a hook: the root, its name and the command's words. */}}
{{- define "floatip.operatorCommand" -}}
{{- $root := index . 0 -}}
- name: {{ index . 1 }}
  image: {{ include "floatip.image" (list $root "operator") | quote }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  command:
    {{- toYaml (index . 2) | nindent 4 }}
  {{- with $root.Values.kubernetesServiceHost }}
  env:
  - {name: KUBERNETES_SERVICE_HOST, value: {{ . | quote }}}
  - {name: KUBERNETES_SERVICE_PORT, value: {{ $root.Values.kubernetesServicePort | quote }}}
  {{- end }}
  securityContext:
    {{- include "floatip.operatorContainerSecurity" $root | nindent 4 }}
  {{- with $root.Values.operator.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Of a list: the root, "Auto", "Always" or "Never", and the kind that Auto looks for. Not empty: make it. */}}
{{- define "floatip.wants" -}}
{{- $capabilities := (index . 0).Capabilities -}}
{{- if or (eq (index . 1) "Always") (and (eq (index . 1) "Auto") ($capabilities.APIVersions.Has (index . 2))) -}}yes{{- end -}}
{{- end }}
