using System.Text.Json;
using System.Text.Json.Serialization;
using Sluice.Security.Sasl;

namespace Sluice.Security;

/// <summary>
/// How users, permissions and limits lie in the store: JSON with short fixed names under keys made of escaped names.
/// <code>
/// user/NAME                       permission/VHOST/USER
/// topic/VHOST/USER/EXCHANGE       vhost-limits/VHOST
/// scram-decoys
/// </code>
/// </summary>
internal static class SecurityRecords
{
    public const int Version = 1;

    public const string UserPrefix = "user/";
    public const string PermissionPrefix = "permission/";
    public const string TopicPrefix = "topic/";
    public const string LimitsPrefix = "vhost-limits/";

    public const string DecoySecretKey = "scram-decoys";

    public static string UserKey(string name) => UserPrefix + Uri.EscapeDataString(name);

    public static string PermissionKey(string virtualHost, string user) => $"{PermissionPrefix}{Uri.EscapeDataString(virtualHost)}/{Uri.EscapeDataString(user)}";

    public static string TopicKey(TopicPermission topic) =>
        $"{TopicPrefix}{Uri.EscapeDataString(topic.VirtualHost)}/{Uri.EscapeDataString(topic.User)}/{Uri.EscapeDataString(topic.Exchange)}";

    public static string LimitsKey(string virtualHost) => LimitsPrefix + Uri.EscapeDataString(virtualHost);

    public static SecurityChange Put(User user) => new(
        UserKey(user.Name),
        Write(
            new UserRecord(Version, user.Name, [.. user.Tags], user.Password?.Encode(), user.Limits.ConnectionsMax, user.Limits.ChannelsMax, user.Scram.IsEmpty ? null : [.. user.Scram.Select(static credential => credential.Encode())]),
            SecurityJson.Default.UserRecord));

    public static SecurityChange Put(Permission permission) => new(
        PermissionKey(permission.VirtualHost, permission.User),
        Write(
            new PermissionRecord(Version, permission.User, permission.VirtualHost, permission.Configure, permission.Write, permission.Read),
            SecurityJson.Default.PermissionRecord));

    public static SecurityChange Put(TopicPermission topic) => new(
        TopicKey(topic),
        Write(
            new TopicRecord(Version, topic.User, topic.VirtualHost, topic.Exchange, topic.Write, topic.Read),
            SecurityJson.Default.TopicRecord));

    public static SecurityChange Put(string virtualHost, VirtualHostLimits limits) => new(
        LimitsKey(virtualHost),
        Write(new LimitsRecord(Version, virtualHost, limits.ConnectionsMax, limits.QueuesMax), SecurityJson.Default.LimitsRecord));

    public static SecurityChange PutDecoySecret(byte[] secret) => new(DecoySecretKey, Write(new DecoyRecord(Version, secret), SecurityJson.Default.DecoyRecord));

    public static SecurityChange Delete(string key) => new(key, null);

    /// <exception cref="InvalidDataException">An entry is damaged or of a newer version.</exception>
    public static SecuritySnapshot Read(IReadOnlyList<SecurityEntry> entries)
    {
        SecuritySnapshot snapshot = SecuritySnapshot.Empty;
        var permissions = new Dictionary<(string, string), Permission>();
        var topics = new List<TopicPermission>();
        var users = snapshot.Users.ToBuilder();
        var limits = snapshot.Limits.ToBuilder();
        byte[]? decoySecret = null;
        foreach (SecurityEntry entry in entries)
        {
            try
            {
                if (entry.Key.StartsWith(UserPrefix, StringComparison.Ordinal))
                {
                    UserRecord user = Parse(entry, SecurityJson.Default.UserRecord);
                    users[user.Name] = new User(
                        user.Name,
                        user.Password is null ? null : PasswordHash.Parse(user.Password),
                        user.Tags,
                        new UserLimits(user.ConnectionsMax, user.ChannelsMax))
                    {
                        Scram = [.. (user.Scram ?? []).Select(ScramCredential.Parse)],
                    };
                }
                else if (entry.Key.StartsWith(PermissionPrefix, StringComparison.Ordinal))
                {
                    PermissionRecord record = Parse(entry, SecurityJson.Default.PermissionRecord);
                    permissions[(record.User, record.VirtualHost)] = new Permission(record.User, record.VirtualHost, record.Configure, record.Write, record.Read);
                }
                else if (entry.Key.StartsWith(TopicPrefix, StringComparison.Ordinal))
                {
                    TopicRecord record = Parse(entry, SecurityJson.Default.TopicRecord);
                    topics.Add(new TopicPermission(record.User, record.VirtualHost, record.Exchange, record.Write, record.Read));
                }
                else if (entry.Key.StartsWith(LimitsPrefix, StringComparison.Ordinal))
                {
                    LimitsRecord record = Parse(entry, SecurityJson.Default.LimitsRecord);
                    limits[record.VirtualHost] = new VirtualHostLimits(record.ConnectionsMax, record.QueuesMax);
                }
                else if (entry.Key == DecoySecretKey)
                {
                    decoySecret = Parse(entry, SecurityJson.Default.DecoyRecord).Secret;
                }
                else
                {
                    throw new InvalidDataException("its kind is not known");
                }
            }
            catch (Exception error) when (error is JsonException or FormatException or InvalidDataException)
            {
                throw new InvalidDataException($"The security entry '{entry.Key}' cannot be used: {error.Message.TrimEnd('.')}. It was written by a newer version, or is damaged.", error);
            }
        }

        var topicsByPair = topics.ToLookup(topic => (topic.User, topic.VirtualHost));
        var rules = snapshot.Permissions.ToBuilder();
        foreach ((string, string) pair in permissions.Keys.Union(topicsByPair.Select(group => group.Key)))
        {
            rules[pair] = new PermissionRules(
                permissions.GetValueOrDefault(pair),
                System.Collections.Immutable.ImmutableDictionary.CreateRange(topicsByPair[pair].Select(topic => KeyValuePair.Create(topic.Exchange, topic))));
        }

        return new SecuritySnapshot(users.ToImmutable(), rules.ToImmutable(), limits.ToImmutable()) { DecoySecret = decoySecret };
    }

    private static byte[] Write<T>(T record, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) => JsonSerializer.SerializeToUtf8Bytes(record, type);

    private static T Parse<T>(SecurityEntry entry, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : IVersionedRecord
    {
        T record = JsonSerializer.Deserialize(entry.Value.Span, type) ?? throw new InvalidDataException("it is empty");
        return record.Version is >= 1 and <= Version ? record : throw new InvalidDataException($"it has version {record.Version}, and {Version} is the newest known here");
    }
}

internal interface IVersionedRecord
{
    int Version { get; }
}

internal sealed record UserRecord(
    [property: JsonPropertyName("v")] int Version, string Name, string[] Tags, string? Password = null, int? ConnectionsMax = null, int? ChannelsMax = null,
    string[]? Scram = null) : IVersionedRecord;

internal sealed record PermissionRecord(
    [property: JsonPropertyName("v")] int Version, string User, string VirtualHost, string Configure, string Write, string Read) : IVersionedRecord;

internal sealed record TopicRecord(
    [property: JsonPropertyName("v")] int Version, string User, string VirtualHost, string Exchange, string Write, string Read) : IVersionedRecord;

internal sealed record DecoyRecord(
    [property: JsonPropertyName("v")] int Version, byte[] Secret) : IVersionedRecord;

internal sealed record LimitsRecord(
    [property: JsonPropertyName("v")] int Version, string VirtualHost, int? ConnectionsMax = null, int? QueuesMax = null) : IVersionedRecord;

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectRequiredConstructorParameters = true,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(UserRecord))]
[JsonSerializable(typeof(PermissionRecord))]
[JsonSerializable(typeof(TopicRecord))]
[JsonSerializable(typeof(DecoyRecord))]
[JsonSerializable(typeof(LimitsRecord))]
internal sealed partial class SecurityJson : JsonSerializerContext;
