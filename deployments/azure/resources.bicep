// The resources in the group; see main.bicep. Defaults are those of platforms/azure/settings.py.
@description('Region of everything')
param location string

param storageAccount string
param container string = 'ridgeline'
param queue string = 'ridgeline-arrivals'

@description('RIDGELINE_AZURE_QA_LOG_SHARE; none makes no file share')
param qaLogShare string = ''

@minValue(31)
param logDays int = 365

param registry string
param keyVault string
param workspace string = 'ridgeline'

param cluster string = 'ridgeline'
param vmSize string = 'Standard_DS3_v2'

@allowed(['LowPriority', 'Dedicated'])
param vmPriority string = 'LowPriority'

param maxNodes int = 2
param idleSeconds int = 300

param kubernetesCluster string = 'ridgeline'
param kubernetesVmSize string = 'Standard_D2s_v5'
param kubernetesMinNodes int = 1
param kubernetesMaxNodes int = 3
param kubernetesNamespace string = 'ridgeline'
param kubernetesQaNamespace string = 'ridgeline-qa'
param servingIdentityName string = 'ridgeline-serving'

@description('Object id of a person who may do what the pipeline may do')
param operator string = ''

// Azure's built-in roles; platforms/azure/access.py has their names.
var aciContributor = '5d977122-f97e-4b4d-a52f-6b43003ddb4d'
var acrPull = '7f951dda-4ed3-4680-a7ca-43fe172d538d'
var acrTasks = 'fb382eab-e894-4461-af04-94435c366c3f'
var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var clusterAdmin = 'b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b'
var clusterUser = '4abbcc35-e782-43d8-92c5-2d3f1bd2253f'
var dataScientist = 'f6c7c914-8db3-469d-8ca1-694a8f32e121'
var identityOperator = 'f1a07417-d97a-45cb-824c-7a7467783830'
var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'
var queueContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var secretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'

resource pipelineIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'ridgeline-pipeline'
  location: location
}

resource trainingIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'ridgeline-training'
  location: location
}

resource servingIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: servingIdentityName
  location: location
}

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: storageAccount
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource files 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: container
  properties: {
    publicAccess: 'None'
  }
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource arrivals 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: queue
}

resource poison 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: '${queue}-poison'
}

resource shares 'Microsoft.Storage/storageAccounts/fileServices@2023-05-01' = if (qaLogShare != '') {
  parent: account
  name: 'default'
}

resource qaLogs 'Microsoft.Storage/storageAccounts/fileServices/shares@2023-05-01' = if (qaLogShare != '') {
  parent: shares
  name: qaLogShare
}

resource ageing 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'logs'
          enabled: true
          type: 'Lifecycle'
          definition: {
            actions: {
              baseBlob: {
                tierToCool: {
                  daysAfterModificationGreaterThan: 30
                }
                delete: {
                  daysAfterModificationGreaterThan: logDays
                }
              }
            }
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['${container}/logs/']
            }
          }
        }
      ]
    }
  }
}

resource logWorkspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'ridgeline'
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'ridgeline'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logWorkspace.id
  }
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: keyVault
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
  }
}

resource images 'Microsoft.ContainerRegistry/registries@2023-07-01' = {
  name: registry
  location: location
  sku: {
    name: 'Basic'
  }
  properties: {
    adminUserEnabled: false
  }
}

resource machineLearning 'Microsoft.MachineLearningServices/workspaces@2024-04-01' = {
  name: workspace
  location: location
  kind: 'Default'
  sku: {
    name: 'Basic'
    tier: 'Basic'
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    storageAccount: account.id
    keyVault: vault.id
    applicationInsights: insights.id
    containerRegistry: images.id
  }
}

resource training 'Microsoft.MachineLearningServices/workspaces/computes@2024-04-01' = {
  parent: machineLearning
  name: cluster
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${trainingIdentity.id}': {}
    }
  }
  properties: {
    computeType: 'AmlCompute'
    properties: {
      vmSize: vmSize
      vmPriority: vmPriority
      scaleSettings: {
        minNodeCount: 0
        maxNodeCount: maxNodes
        nodeIdleTimeBeforeScaleDown: 'PT${idleSeconds}S'
      }
      remoteLoginPortPublicAccess: 'Disabled'
    }
  }
}

resource kubernetes 'Microsoft.ContainerService/managedClusters@2024-09-01' = {
  name: kubernetesCluster
  location: location
  sku: {
    name: 'Base'
    tier: 'Free'
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    dnsPrefix: kubernetesCluster
    enableRBAC: true
    aadProfile: {
      managed: true
      enableAzureRBAC: true
    }
    agentPoolProfiles: [
      {
        name: 'system'
        mode: 'System'
        type: 'VirtualMachineScaleSets'
        osType: 'Linux'
        vmSize: kubernetesVmSize
        enableAutoScaling: true
        minCount: kubernetesMinNodes
        maxCount: kubernetesMaxNodes
        count: kubernetesMinNodes
      }
    ]
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      networkDataplane: 'cilium'
      networkPolicy: 'cilium'
    }
    oidcIssuerProfile: {
      enabled: true
    }
    securityProfile: {
      workloadIdentity: {
        enabled: true
      }
    }
  }
}

resource prodPods 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = {
  parent: servingIdentity
  name: kubernetesNamespace
  properties: {
    issuer: kubernetes.properties.oidcIssuerProfile.issuerURL
    subject: 'system:serviceaccount:${kubernetesNamespace}:scoring'
    audiences: ['api://AzureADTokenExchange']
  }
}

// An identity takes one new credential at a time.
resource qaPods 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = {
  parent: servingIdentity
  name: kubernetesQaNamespace
  dependsOn: [prodPods]
  properties: {
    issuer: kubernetes.properties.oidcIssuerProfile.issuerURL
    subject: 'system:serviceaccount:${kubernetesQaNamespace}:scoring'
    audiences: ['api://AzureADTokenExchange']
  }
}

// What flows may do.

resource pipelineAciContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, pipelineIdentity.id, aciContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', aciContributor)
    principalId: pipelineIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource pipelineIdentityOperator 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(servingIdentity.id, pipelineIdentity.id, identityOperator)
  scope: servingIdentity
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', identityOperator)
    principalId: pipelineIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource pipelineBlobContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, pipelineIdentity.id, blobContributor)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
    principalId: pipelineIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource pipelineQueueContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, pipelineIdentity.id, queueContributor)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueContributor)
    principalId: pipelineIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource pipelineMetricsPublisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, pipelineIdentity.id, metricsPublisher)
  scope: insights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
    principalId: pipelineIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource pipelineSecretsOfficer 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, pipelineIdentity.id, secretsOfficer)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
    principalId: pipelineIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource pipelineAcrPull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(images.id, pipelineIdentity.id, acrPull)
  scope: images
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
    principalId: pipelineIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource pipelineAcrTasks 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(images.id, pipelineIdentity.id, acrTasks)
  scope: images
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrTasks)
    principalId: pipelineIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource pipelineDataScientist 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(machineLearning.id, pipelineIdentity.id, dataScientist)
  scope: machineLearning
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataScientist)
    principalId: pipelineIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource pipelineClusterUser 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(kubernetes.id, pipelineIdentity.id, clusterUser)
  scope: kubernetes
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', clusterUser)
    principalId: pipelineIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource pipelineClusterAdmin 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(kubernetes.id, pipelineIdentity.id, clusterAdmin)
  scope: kubernetes
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', clusterAdmin)
    principalId: pipelineIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// A person who may do the same by hand, if there is one.

resource operatorAciContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (operator != '') {
  name: guid(resourceGroup().id, operator, aciContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', aciContributor)
    principalId: operator
    principalType: 'User'
  }
}

resource operatorIdentityOperator 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (operator != '') {
  name: guid(servingIdentity.id, operator, identityOperator)
  scope: servingIdentity
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', identityOperator)
    principalId: operator
    principalType: 'User'
  }
}

resource operatorBlobContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (operator != '') {
  name: guid(account.id, operator, blobContributor)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
    principalId: operator
    principalType: 'User'
  }
}

resource operatorQueueContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (operator != '') {
  name: guid(account.id, operator, queueContributor)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueContributor)
    principalId: operator
    principalType: 'User'
  }
}

resource operatorMetricsPublisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (operator != '') {
  name: guid(insights.id, operator, metricsPublisher)
  scope: insights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
    principalId: operator
    principalType: 'User'
  }
}

resource operatorSecretsOfficer 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (operator != '') {
  name: guid(vault.id, operator, secretsOfficer)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
    principalId: operator
    principalType: 'User'
  }
}

resource operatorAcrPull 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (operator != '') {
  name: guid(images.id, operator, acrPull)
  scope: images
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
    principalId: operator
    principalType: 'User'
  }
}

resource operatorAcrTasks 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (operator != '') {
  name: guid(images.id, operator, acrTasks)
  scope: images
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrTasks)
    principalId: operator
    principalType: 'User'
  }
}

resource operatorDataScientist 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (operator != '') {
  name: guid(machineLearning.id, operator, dataScientist)
  scope: machineLearning
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dataScientist)
    principalId: operator
    principalType: 'User'
  }
}

resource operatorClusterUser 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (operator != '') {
  name: guid(kubernetes.id, operator, clusterUser)
  scope: kubernetes
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', clusterUser)
    principalId: operator
    principalType: 'User'
  }
}

resource operatorClusterAdmin 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (operator != '') {
  name: guid(kubernetes.id, operator, clusterAdmin)
  scope: kubernetes
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', clusterAdmin)
    principalId: operator
    principalType: 'User'
  }
}

// What training jobs and endpoints may do.

resource trainingBlobContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, trainingIdentity.id, blobContributor)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
    principalId: trainingIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource trainingAcrPull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(images.id, trainingIdentity.id, acrPull)
  scope: images
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
    principalId: trainingIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource servingBlobContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, servingIdentity.id, blobContributor)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
    principalId: servingIdentity.properties.principalId
    principalType: 'ServicePrincipal'
    // The internet may reach the endpoints: they read and write their logs and nothing else.
    condition: '((!(ActionMatches{\'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read\'} AND NOT SubOperationMatches{\'Blob.List\'}) AND !(ActionMatches{\'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write\'}) AND !(ActionMatches{\'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action\'}) AND !(ActionMatches{\'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete\'}) AND !(ActionMatches{\'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/move/action\'})) OR (@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals \'${container}\' AND @Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path] StringLike \'scoring-logs/*\')) AND ((!(ActionMatches{\'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read\'} AND SubOperationMatches{\'Blob.List\'})) OR (@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals \'${container}\' AND @Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:prefix] StringStartsWith \'scoring-logs/\'))'
    conditionVersion: '2.0'
  }
}

resource servingAcrPull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(images.id, servingIdentity.id, acrPull)
  scope: images
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
    principalId: servingIdentity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource kubeletAcrPull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(images.id, '${kubernetes.id}/kubelet', acrPull)
  scope: images
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
    principalId: kubernetes.properties.identityProfile.kubeletidentity.objectId
    principalType: 'ServicePrincipal'
  }
}

resource workspaceSecretsOfficer 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, machineLearning.id, secretsOfficer)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
    principalId: machineLearning.identity.principalId
    principalType: 'ServicePrincipal'
  }
}

// What Event Grid tells the listener.

resource blobEvents 'Microsoft.EventGrid/eventSubscriptions@2022-06-15' = {
  name: 'ridgeline-blobs'
  scope: account
  dependsOn: [arrivals]
  properties: {
    destination: {
      endpointType: 'StorageQueue'
      properties: {
        resourceId: account.id
        queueName: queue
        queueMessageTimeToLiveInSeconds: 604800
      }
    }
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      subjectBeginsWith: '/blobServices/default/containers/${container}/blobs/landing/'
    }
    eventDeliverySchema: 'EventGridSchema'
  }
}

resource modelEvents 'Microsoft.EventGrid/eventSubscriptions@2022-06-15' = {
  name: 'ridgeline-models'
  scope: machineLearning
  dependsOn: [arrivals]
  properties: {
    destination: {
      endpointType: 'StorageQueue'
      properties: {
        resourceId: account.id
        queueName: queue
        queueMessageTimeToLiveInSeconds: 604800
      }
    }
    filter: {
      includedEventTypes: ['Microsoft.MachineLearningServices.ModelRegistered']
    }
    eventDeliverySchema: 'EventGridSchema'
  }
}

output servingClientId string = servingIdentity.properties.clientId
output pipelineClientId string = pipelineIdentity.properties.clientId
