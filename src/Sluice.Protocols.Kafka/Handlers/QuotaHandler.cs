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
                await server.Quotas.AlterAsync(EntityOf(entry), entry.Ops.ToDictionary(static op => op.Key, static op => op.Remove ? (double?)null : op.Value, StringComparer.Ordinal)).ConfigureAwait(false);
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

    private static bool IsType(string type) => type is QuotaEntity.UserType or QuotaEntity.ClientType;

    private static QuotaEntity EntityOf(AlterClientQuotasRequest.EntryData entry)
    {
        AlterClientQuotasRequest.EntityData? user = Array.Find(entry.Entity, static part => part.EntityType == QuotaEntity.UserType);
        AlterClientQuotasRequest.EntityData? client = Array.Find(entry.Entity, static part => part.EntityType == QuotaEntity.ClientType);
        return new QuotaEntity(user is not null, user?.EntityName, client is not null, client?.EntityName);
    }

    private static string? Problem(AlterClientQuotasRequest.EntryData entry) =>
        entry.Entity.Length == 0 ? "Invalid empty client quota entity"
        : entry.Entity.FirstOrDefault(static part => !IsType(part.EntityType)) is { } unknown ? $"Quotas of entity type {unknown.EntityType} are not served: users and client ids have them here."
        : entry.Entity.Select(static part => part.EntityType).Distinct(StringComparer.Ordinal).Count() < entry.Entity.Length ? "The entity has a type twice."
        : entry.Entity.FirstOrDefault(static part => part.EntityName is { Length: 0 }) is { } empty ? $"Empty {empty.EntityType} not supported"
        : entry.Ops.FirstOrDefault(static op => !ClientQuotas.Keys.Contains(op.Key, StringComparer.Ordinal)) is { } key ? $"Quota {key.Key} is not served: {string.Join(", ", ClientQuotas.Keys)} are."
        : entry.Ops.Select(static op => op.Key).Distinct(StringComparer.Ordinal).Count() < entry.Ops.Length ? "A quota is changed twice."
        : entry.Ops.FirstOrDefault(static op => !op.Remove && op.Key == ClientQuotas.Mutations && !(op.Value > 0 && double.IsFinite(op.Value))) is { } rate ? $"Quota {rate.Key} must be greater than 0"
        : entry.Ops.FirstOrDefault(static op => !op.Remove && op.Key != ClientQuotas.Mutations && !(op.Value >= 1 && double.IsInteger(op.Value) && op.Value <= long.MaxValue)) is { } value ? $"{value.Key} must be a whole number of bytes a second, at least 1"
        : null;

    private static bool Matches(QuotaEntity entity, DescribeClientQuotasRequest body)
    {
        Dictionary<string, string?> parts = entity.Parts.ToDictionary(static part => part.Type, static part => part.Name, StringComparer.Ordinal);
        return (!body.Strict || parts.Count == body.Components.Length)
            && Array.TrueForAll(body.Components, wanted => parts.TryGetValue(wanted.EntityType, out string? name)
                && (wanted.MatchType == AnyName || name == (wanted.MatchType == TheDefault ? null : wanted.Match)));
    }
}
