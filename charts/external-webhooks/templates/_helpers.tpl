{{/* Name of the chart's part. */}}
{{- define "external-webhooks.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of everything. Shorter than 63, since roles add a suffix to it. */}}
{{- define "external-webhooks.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "external-webhooks.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "external-webhooks.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "external-webhooks.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Immutable in a Deployment, so nothing that changes with a version. */}}
{{- define "external-webhooks.selectorLabels" -}}
app.kubernetes.io/name: {{ include "external-webhooks.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "external-webhooks.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "external-webhooks.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "external-webhooks.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository $tag -}}
{{- end -}}
{{- end -}}

{{/* The restricted profile of Pod Security, for a container. */}}
{{- define "external-webhooks.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The restricted profile of Pod Security, for a pod. The user is the image's. */}}
{{- define "external-webhooks.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/*
One document of rbac/, as it stands there, with the names of this release. Text and not objects, so that the reason of each
rule is kept. Arguments: root, document, watched (the namespace that `watched-namespace` stands for).
*/}}
{{- define "external-webhooks.rbac" -}}
{{- $fullname := include "external-webhooks.fullname" .root -}}
{{- $account := include "external-webhooks.serviceAccountName" .root -}}
{{- $labels := include "external-webhooks.labels" .root | nindent 4 -}}
{{- $document := .document
  | replace "- kind: ServiceAccount\n    name: external-webhooks\n" (printf "- kind: ServiceAccount\n    name: %s\n" $account)
  | replace "namespace: external-webhooks-system" (printf "namespace: %s" .root.Release.Namespace)
  | replace "namespace: watched-namespace" (printf "namespace: %s" .watched)
  | replace "\nmetadata:\n" (printf "\nmetadata:\n  labels:%s\n" $labels) -}}
{{- regexReplaceAll "(?m)^  name: external-webhooks" $document (printf "  name: %s" $fullname) | trim -}}
{{- end -}}
