using System.Text.Json.Serialization;
using Sluice.Broker.Definitions;

namespace Sluice.Admin.Json;

// Shapes of answers, member for member as RabbitMQ's management API names them (snake case by the serializer's policy).
internal sealed record ErrorModel(string Error, string Reason);

internal sealed record StatusModel(string Status, string? Reason = null);

internal sealed record WhoAmIModel(string Name, IReadOnlyList<string> Tags, bool IsInternalUser = true);

internal sealed record ClusterNameModel(string Name);

internal sealed record OverviewModel(
    string ManagementVersion,
    string RatesMode,
    string ProductName,
    string ProductVersion,
    string RabbitmqVersion,
    string ClusterName,
    string Node,
    QueueTotals QueueTotals,
    ObjectTotals? ObjectTotals,
    IReadOnlyList<ListenerModel> Listeners,
    IReadOnlyList<ExchangeTypeModel> ExchangeTypes);

internal sealed record QueueTotals(long Messages, long MessagesReady, long MessagesUnacknowledged);

internal sealed record ObjectTotals(int Channels, int Connections, Dictionary<string, int> ConnectionsByProtocol, int Consumers, int Exchanges, int Queues, int Topics, int Partitions);

internal sealed record ListenerModel(string Node, string Protocol, string IpAddress, int Port);

internal sealed record ExchangeTypeModel(string Name, bool Enabled = true);

internal sealed record NodeModel(
    string Name,
    string Type,
    bool Running,
    string OsPid,
    long Uptime,
    int Processors,
    long MemUsed,
    long DiskFree,
    bool MemAlarm,
    bool DiskFreeAlarm,
    IReadOnlyList<string> Alarms);

internal sealed record VirtualHostModel(string Name, bool Tracing, long Messages, long MessagesReady, long MessagesUnacknowledged, string Description = "");

internal sealed record QueueModel(
    string Name,
    string Vhost,
    string Node,
    string Type,
    string State,
    bool Durable,
    bool AutoDelete,
    bool Exclusive,
    Arguments Arguments,
    string? Policy,
    string? OperatorPolicy,
    Arguments EffectivePolicyDefinition,
    long Messages,
    long MessagesReady,
    long MessagesUnacknowledged,
    int Consumers,
    IReadOnlyList<ConsumerModel>? ConsumerDetails = null);

internal sealed record TopicModel(
    string Name,
    string Vhost,
    string Id,
    string Type,
    bool Internal,
    int Partitions,
    long Messages,
    long Bytes,
    Dictionary<string, string> Config,
    IReadOnlyList<PartitionModel>? PartitionDetails = null);

internal sealed record PartitionModel(int Partition, string State, long StartOffset, long EndOffset, long LastStableOffset, long Bytes);

internal sealed record GroupModel(
    string Name,
    string Vhost,
    string Type,
    string State,
    string Protocol,
    int Members,
    int Partitions,
    long? Lag,
    IReadOnlyList<GroupMemberModel>? MemberDetails = null,
    IReadOnlyList<GroupPartitionModel>? PartitionDetails = null);

internal sealed record GroupMemberModel(string Id, string? InstanceId, string ClientId, string Host, IReadOnlyList<AssignmentModel> Assigned);

internal sealed record AssignmentModel(string Topic, IReadOnlyList<int> Partitions);

internal sealed record GroupPartitionModel(string Topic, int Partition, long? Offset, long? EndOffset, long? Lag, string? Member, string? ClientId, string? Host);

internal sealed record QueueReference(string Name, string Vhost);

internal sealed record ChannelReference(string ConnectionName, string Name);

internal sealed record ConsumerModel(string ConsumerTag, bool AckRequired, bool Exclusive, bool Active, int Priority, QueueReference Queue, ChannelReference ChannelDetails);

internal sealed record ExchangeModel(string Name, string Vhost, string Type, bool Durable, bool AutoDelete, bool Internal, Arguments Arguments, string? Policy);

internal sealed record BindingModel(string Source, string Vhost, string Destination, string DestinationType, string RoutingKey, Arguments Arguments, string PropertiesKey);

internal sealed record UserModel(string Name, string PasswordHash, string HashingAlgorithm, IReadOnlyList<string> Tags, Dictionary<string, int> Limits, IReadOnlyList<string> Mechanisms);

internal sealed record PermissionModel(string User, string Vhost, string Configure, string Write, string Read);

internal sealed record TopicPermissionModel(string User, string Vhost, string Exchange, string Write, string Read);

internal sealed record PolicyModel(
    string Vhost, string Name, string Pattern, [property: JsonPropertyName("apply-to")] string ApplyTo, Arguments Definition, int Priority);

internal sealed record LimitsModel(string? Vhost, string? User, Dictionary<string, int> Value);

internal sealed record ConnectionModel(
    string Name,
    string Node,
    string User,
    string Vhost,
    string Protocol,
    string State,
    string PeerHost,
    int PeerPort,
    bool Ssl,
    int Channels,
    int FrameMax,
    int Timeout,
    long ConnectedAt,
    string? UserProvidedName,
    string? ClientSoftwareName,
    string? ClientSoftwareVersion,
    string? AuthMechanism,
    Arguments ClientProperties,
    string Type = "network");

internal sealed record ChannelModel(
    string Name,
    int Number,
    string Node,
    string User,
    string Vhost,
    bool Confirm,
    bool Transactional,
    int ConsumerCount,
    int MessagesUnacknowledged,
    int MessagesUnconfirmed,
    int PrefetchCount,
    int GlobalPrefetchCount,
    ConnectionReference ConnectionDetails,
    string State = "running");

internal sealed record ConnectionReference(string Name, string PeerHost, int PeerPort);

internal sealed record ClientMetricsModel(
    string Name,
    string? ClientId,
    string ClientSoftwareName,
    string ClientSoftwareVersion,
    string PeerHost,
    int PeerPort,
    int PushIntervalMs,
    IReadOnlyList<string> Requested,
    long? ReceivedAt,
    bool Terminating,
    int ValueCount,
    int ValuesLeftOff,
    IReadOnlyList<ClientMetricModel>? Values);

internal sealed record ClientMetricModel(
    string Name, string Kind, Dictionary<string, string> Attributes, [property: JsonNumberHandling(JsonNumberHandling.AllowNamedFloatingPointLiterals)] double Value);

internal sealed record RoutedModel(bool Routed);

internal sealed record PageModel(int FilteredCount, int ItemCount, System.Text.Json.Nodes.JsonArray Items, int Page, int PageCount, int PageSize, int TotalCount);

internal sealed record ParameterModel(string? Vhost, string Component, string Name, PolicyValueModel Value);

internal sealed record PolicyValueModel(string Pattern, [property: JsonPropertyName("apply-to")] string ApplyTo, Arguments Definition, int Priority);

internal sealed record DefinitionsModel(
    string? RabbitVersion,
    string? RabbitmqVersion,
    string? ProductName,
    string? ProductVersion,
    IReadOnlyList<UserDefinition>? Users,
    IReadOnlyList<VirtualHostDefinition>? Vhosts,
    IReadOnlyList<PermissionModel>? Permissions,
    IReadOnlyList<TopicPermissionModel>? TopicPermissions,
    IReadOnlyList<ParameterModel> Parameters,
    IReadOnlyList<PolicyDefinitionModel> Policies,
    IReadOnlyList<QueueDefinitionModel> Queues,
    IReadOnlyList<ExchangeDefinitionModel> Exchanges,
    IReadOnlyList<BindingDefinitionModel> Bindings,
    IReadOnlyList<TopicDefinitionModel> Topics)
{
    /// <summary>What others keep, by the name of its member.</summary>
    [JsonExtensionData]
    public Dictionary<string, System.Text.Json.JsonElement>? Sections { get; set; }
}

internal sealed record UserDefinition(
    string Name, string PasswordHash, string HashingAlgorithm, IReadOnlyList<string> Tags, Dictionary<string, int> Limits, IReadOnlyList<ScramDefinition>? ScramCredentials);

internal sealed record ScramDefinition(string Mechanism, int Iterations, string Salt, string StoredKey, string ServerKey);

internal sealed record TopicDefinitionModel(string? Vhost, string Name, int Partitions, IReadOnlyDictionary<string, string> Config, bool? Grown);

internal sealed record VirtualHostDefinition(string Name, Dictionary<string, int>? Limits = null);

internal sealed record PolicyDefinitionModel(
    string? Vhost, string Name, string Pattern, [property: JsonPropertyName("apply-to")] string ApplyTo, Arguments Definition, int Priority);

internal sealed record QueueDefinitionModel(string? Vhost, string Name, bool Durable, bool AutoDelete, Arguments Arguments);

internal sealed record ExchangeDefinitionModel(string? Vhost, string Name, string Type, bool Durable, bool AutoDelete, bool Internal, Arguments Arguments);

internal sealed record BindingDefinitionModel(string? Vhost, string Source, string Destination, string DestinationType, string RoutingKey, Arguments Arguments);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(ArgumentsJson)])]
[JsonSerializable(typeof(ErrorModel))]
[JsonSerializable(typeof(StatusModel))]
[JsonSerializable(typeof(WhoAmIModel))]
[JsonSerializable(typeof(ClusterNameModel))]
[JsonSerializable(typeof(OverviewModel))]
[JsonSerializable(typeof(NodeModel))]
[JsonSerializable(typeof(VirtualHostModel))]
[JsonSerializable(typeof(QueueModel))]
[JsonSerializable(typeof(TopicModel))]
[JsonSerializable(typeof(GroupModel))]
[JsonSerializable(typeof(ConsumerModel))]
[JsonSerializable(typeof(ExchangeModel))]
[JsonSerializable(typeof(BindingModel))]
[JsonSerializable(typeof(UserModel))]
[JsonSerializable(typeof(PermissionModel))]
[JsonSerializable(typeof(TopicPermissionModel))]
[JsonSerializable(typeof(PolicyModel))]
[JsonSerializable(typeof(LimitsModel))]
[JsonSerializable(typeof(ConnectionModel))]
[JsonSerializable(typeof(ChannelModel))]
[JsonSerializable(typeof(ClientMetricsModel))]
[JsonSerializable(typeof(RoutedModel))]
[JsonSerializable(typeof(PageModel))]
[JsonSerializable(typeof(ParameterModel))]
[JsonSerializable(typeof(DefinitionsModel))]
[JsonSerializable(typeof(System.Text.Json.Nodes.JsonArray))]
[JsonSerializable(typeof(Dictionary<string, System.Text.Json.JsonElement>))]
internal sealed partial class AdminJson : JsonSerializerContext;
