// Everything that `ridgeline provision` makes, for teams that want it as a template. A test keeps the two together:
//   az deployment sub create --location westeurope --template-file deployments/azure/main.bicep \
//     --parameters storageAccount=… registry=… keyVault=…
targetScope = 'subscription'

@description('Region of everything')
param location string = 'westeurope'

@description('RIDGELINE_AZURE_RESOURCE_GROUP')
param resourceGroupName string = 'ridgeline'

@description('RIDGELINE_AZURE_STORAGE_ACCOUNT; its name is unique in the world')
param storageAccount string

@description('RIDGELINE_AZURE_REGISTRY; its name is unique in the world')
param registry string

@description('Name of the Key Vault in RIDGELINE_AZURE_KEY_VAULT; it is unique in the world')
param keyVault string

@description('RIDGELINE_AZURE_OPERATOR: object id of a person who may do what the pipeline may do')
param operator string = ''

@description('RIDGELINE_AZURE_QA_LOG_SHARE, if request logs of qa are to be kept')
param qaLogShare string = ''

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: resourceGroupName
  location: location
}

module all 'resources.bicep' = {
  name: 'ridgeline-resources'
  scope: group
  params: {
    location: location
    storageAccount: storageAccount
    registry: registry
    keyVault: keyVault
    operator: operator
    qaLogShare: qaLogShare
  }
}
