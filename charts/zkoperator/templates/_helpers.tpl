{{/* The name of the release's objects: zkoperator for a release of that name. */}}
{{- define "zkoperator.name" -}}
{{- if contains "zkoperator" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-zkoperator" (.Release.Name | trunc 39 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* ClusterRoles have no namespace: an installation for some namespaces gets a name that no other one has. */}}
{{- define "zkoperator.clusterRole" -}}
{{- if .Values.namespaces -}}
{{- printf "%s-%s" (include "zkoperator.name" .) .Release.Namespace -}}
{{- else -}}
{{- include "zkoperator.name" . -}}
{{- end -}}
{{- end -}}

{{- define "zkoperator.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "zkoperator.name" .) -}}
{{- end -}}

{{- define "zkoperator.selector" -}}
app.kubernetes.io/name: zkoperator
{{- if ne .Release.Name "zkoperator" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- end -}}

{{- define "zkoperator.labels" -}}
{{ include "zkoperator.selector" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An image with the registry of air-gapped sites in front, in place of the registry that it names. */}}
{{- define "zkoperator.inRegistry" -}}
{{- if .registry -}}
{{- $parts := splitList "/" .image -}}
{{- $first := first $parts -}}
{{- $named := and (gt (len $parts) 1) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- printf "%s/%s" (.registry | trimSuffix "/") (ternary (join "/" (rest $parts)) .image $named) -}}
{{- else -}}
{{- .image -}}
{{- end -}}
{{- end -}}

{{- define "zkoperator.image" -}}
{{- $repository := include "zkoperator.inRegistry" (dict "registry" .Values.imageRegistry "image" .Values.image.repository) -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The default image is named only where it differs from the one that is built into the operator. */}}
{{- define "zkoperator.defaultImage" -}}
{{- if or .Values.defaultImage .Values.imageRegistry -}}
{{- $image := .Values.defaultImage | default (index .Chart.Annotations "zkoperator.dev/default-image") -}}
{{- include "zkoperator.inRegistry" (dict "registry" .Values.imageRegistry "image" $image) -}}
{{- end -}}
{{- end -}}
