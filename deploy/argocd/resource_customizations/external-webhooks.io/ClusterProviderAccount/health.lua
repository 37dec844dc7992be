-- Made by `make generated` from src/api/table; do not edit.
-- The CRD follows kstatus: status.observedGeneration, and the conditions Ready, Reconciling and Stalled, of which the
-- latter two are present only while true, and never both.
local held = {ObserveOnly = true, Suspended = true}

if obj.status == nil or obj.status.conditions == nil or #obj.status.conditions == 0 then
  return {status = "Progressing", message = "Waiting for the operator's first pass"}
end
if obj.metadata.generation ~= nil and obj.status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "Waiting for the operator to see the latest change"}
end

local found = {}
for _, condition in ipairs(obj.status.conditions) do
  found[condition.type] = condition
end
local ready = found.Ready

if found.Stalled ~= nil and found.Stalled.status == "True" then
  return {status = "Degraded", message = found.Stalled.message}
end
if found.Reconciling ~= nil and found.Reconciling.status == "True" then
  return {status = "Progressing", message = found.Reconciling.message}
end
if ready ~= nil and ready.status == "True" then
  return {status = "Healthy", message = ready.message}
end
if ready ~= nil and ready.status == "False" and held[ready.reason] then
  return {status = "Suspended", message = ready.message}
end
return {status = "Progressing", message = ready ~= nil and ready.message or "Waiting for the operator"}
