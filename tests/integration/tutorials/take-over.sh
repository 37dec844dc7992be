# What somebody made by hand at the provider: an endpoint with two subscriptions, one of which nobody will declare.
version='Nex-Api-Version: v3.0.0'
token=$(curl -sf --noproxy '*' -X POST -H "$version" -H "Authorization: $NEXHEALTH_API_KEY" "$NEXHEALTH_URL/authenticates" | sed 's/.*"token":"\([^"]*\)".*/\1/')
post() {
    curl -sf --noproxy '*' -H "$version" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d "$2" "$NEXHEALTH_URL$1"
}
made=$(post /webhook_endpoints '{"target_url":"https://old.example.com/hook"}' | sed 's/.*"id":"\{0,1\}\([0-9]*\).*/\1/')
post "/webhook_endpoints/$made/webhook_subscriptions?subdomain=sunshine-dental" '{"resource_type":"Patient","event":"patient_created"}'
post "/webhook_endpoints/$made/webhook_subscriptions?subdomain=sunshine-dental" '{"resource_type":"Patient","event":"patient_updated"}'
