using System.Net;
using Sluice.Base.Changes;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Quotas;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>DescribeClientQuotas, AlterClientQuotas (KIP-546).</summary>
internal sealed class QuotaHandler(KafkaServer server)
{
    private const sbyte Exactly = 0, TheDefault = 1, AnyName = 2;

    public DescribeClientQuotasResponse Handle(KafkaRequest request, DescribeClientQuotasRequest body)
    {
        if (!request.AllowsCluster(AclOperation.DescribeConfigs))
        {
            return new DescribeClientQuotasResponse { ErrorCode = KafkaErrorCode.ClusterAuthorizationFailed, ErrorMessage = null, Entries = null };
        }

        string? problem = body.Components.FirstOrDefault(static part => !IsType(part.EntityType)) is { } unknown ? $"Unsupported entity type {unknown.EntityType}"
            : body.Components.Select(static part => part.EntityType).Distinct(StringComparer.Ordinal).Count() < body.Components.Length ? "An entity type is asked for twice."
            : body.Components.Any(static part => part.MatchType is < Exactly or > AnyName || (part.MatchType == Exactly) != part.Match is not null) ? "A match is given exactly where one name is asked for."
            : IsMixed(body.Components.Select(static part => part.EntityType)) ? "Invalid entity filter component combination, IP filter component should not be used with user or clientId filter component."
            : null;
        if (problem is not null)
        {
            return new DescribeClientQuotasResponse { ErrorCode = KafkaErrorCode.InvalidRequest, ErrorMessage = problem, Entries = null };
        }

        return new DescribeClientQuotasResponse
        {
            ErrorMessage = "",
            Entries = [.. server.Quotas.All.Where(quota => Matches(quota.Key, body)).OrderBy(static quota => quota.Key.Key, StringComparer.Ordinal).Select(static quota => new DescribeClientQuotasResponse.EntryData
            {
                Entity = [.. quota.Key.Parts.Select(static part => new DescribeClientQuotasResponse.EntityData { EntityType = part.Type, EntityName = part.Name })],
                Values = [.. quota.Value.Select(static value => new DescribeClientQuotasResponse.ValueData { Key = value.Key, Value = value.Value })],
            })],
        };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, AlterClientQuotasRequest body)
    {
        var results = new List<AlterClientQuotasResponse.EntryData>();
        var seen = new HashSet<QuotaEntity>();
        foreach (AlterClientQuotasRequest.EntryData entry in body.Entries)
        {
            KafkaErrorCode error = KafkaErrorCode.None;
            string? problem = null;
            if (!request.AllowsCluster(AclOperation.AlterConfigs))
            {
                error = KafkaErrorCode.ClusterAuthorizationFailed;
            }
            else if ((problem = Problem(entry)) is not null || (!seen.Add(EntityOf(entry)) && (problem = "The entity is changed twice.") is not null))
            {
                error = KafkaErrorCode.InvalidRequest;
            }
            else if (!body.ValidateOnly)
            {
                QuotaChange change = ChangeOf(entry);
                if ((await server.Quotas.AlterAsync([change]).ConfigureAwait(false))[0] != PutOutcome.Unchanged)
                {
                    request.LogBrokerChange(change.Words);
                }
            }

            results.Add(new AlterClientQuotasResponse.EntryData
            {
                ErrorCode = error,
                ErrorMessage = problem,
                Entity = [.. entry.Entity.Select(static part => new AlterClientQuotasResponse.EntityData { EntityType = part.EntityType, EntityName = part.EntityName })],
            });
        }

        return new AlterClientQuotasResponse { Entries = [.. results] };
    }

    private static bool IsType(string type) => type is QuotaEntity.UserType or QuotaEntity.ClientType or QuotaEntity.AddressType;

    /// <summary>Addresses have no quotas together with users and client ids.</summary>
    private static bool IsMixed(IEnumerable<string> types) => types.Contains(QuotaEntity.AddressType) && types.Any(static type => type != QuotaEntity.AddressType);

    internal static QuotaChange ChangeOf(AlterClientQuotasRequest.EntryData entry) =>
        new(EntityOf(entry), entry.Ops.ToDictionary(static op => op.Key, static op => op.Remove ? (double?)null : op.Value, StringComparer.Ordinal));

    private static QuotaEntity EntityOf(AlterClientQuotasRequest.EntryData entry)
    {
        AlterClientQuotasRequest.EntityData? user = Array.Find(entry.Entity, static part => part.EntityType == QuotaEntity.UserType);
        AlterClientQuotasRequest.EntityData? client = Array.Find(entry.Entity, static part => part.EntityType == QuotaEntity.ClientType);
        AlterClientQuotasRequest.EntityData? address = Array.Find(entry.Entity, static part => part.EntityType == QuotaEntity.AddressType);
        return new QuotaEntity(user is not null, user?.EntityName, client is not null, client?.EntityName, address is not null, address?.EntityName is { } name ? IPAddress.Parse(name).ToString() : null);
    }

    internal static string? Problem(AlterClientQuotasRequest.EntryData entry) =>
        entry.Entity.Length == 0 ? "Invalid empty client quota entity"
        : entry.Entity.FirstOrDefault(static part => !IsType(part.EntityType)) is { } unknown ? $"Quotas of entity type {unknown.EntityType} are not served: users, client ids and IP addresses have them here."
        : entry.Entity.Select(static part => part.EntityType).Distinct(StringComparer.Ordinal).Count() < entry.Entity.Length ? "The entity has a type twice."
        : IsMixed(entry.Entity.Select(static part => part.EntityType)) ? "Invalid quota entity combination, IP entity should not be combined with user or client-id"
        : entry.Entity.FirstOrDefault(static part => part.EntityName is { Length: 0 }) is { } empty ? $"Empty {empty.EntityType} not supported"
        : entry.Entity.FirstOrDefault(static part => part is { EntityType: QuotaEntity.AddressType, EntityName: { } name } && !IPAddress.TryParse(name, out _)) is { } address ? $"{address.EntityName} is not a valid IP address."
        : entry.Ops.Select(static op => op.Key).Distinct(StringComparer.Ordinal).Count() < entry.Ops.Length ? "A quota is changed twice."
        : entry.Ops.Select(op => Problem(op, entry.Entity[0].EntityType == QuotaEntity.AddressType ? [ClientQuotas.Connections] : ClientQuotas.Keys)).FirstOrDefault(static problem => problem is not null);

    private static string? Problem(AlterClientQuotasRequest.OpData op, IReadOnlyList<string> keys) =>
        !keys.Contains(op.Key, StringComparer.Ordinal) ? $"Quota {op.Key} is not served for this entity: {string.Join(", ", keys)} are."
        : op.Remove ? null
        : op.Key switch
        {
            ClientQuotas.Mutations or ClientQuotas.Requests => op.Value > 0 && double.IsFinite(op.Value) ? null : $"Quota {op.Key} must be greater than 0",
            ClientQuotas.Connections => op.Value >= 1 && double.IsInteger(op.Value) && op.Value <= int.MaxValue ? null : $"{op.Key} must be a whole number of connections a second, at least 1",
            _ => op.Value >= 1 && double.IsInteger(op.Value) && op.Value <= long.MaxValue ? null : $"{op.Key} must be a whole number of bytes a second, at least 1",
        };

    private static bool Matches(QuotaEntity entity, DescribeClientQuotasRequest body)
    {
        Dictionary<string, string?> parts = entity.Parts.ToDictionary(static part => part.Type, static part => part.Name, StringComparer.Ordinal);
        return (!body.Strict || parts.Count == body.Components.Length)
            && Array.TrueForAll(body.Components, wanted => parts.TryGetValue(wanted.EntityType, out string? name)
                && (wanted.MatchType == AnyName || name == (wanted.MatchType == TheDefault ? null : wanted.Match)));
    }
}
