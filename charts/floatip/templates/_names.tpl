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
