using System.Globalization;

namespace Sluice.Protocols.Kafka.Quotas;

/// <summary>Quotas that are to be set.</summary>
/// <param name="Entity">Whose.</param>
/// <param name="Values">By name; null: it is taken away.</param>
internal sealed record QuotaChange(QuotaEntity Entity, IReadOnlyDictionary<string, double?> Values)
{
    /// <summary>For the log, as in "changed quotas of user 'ada': no producer_byte_rate".</summary>
    public string Words
    {
        get
        {
            string entity = string.Join(", ", Entity.Parts.Select(static part => part.Name is null ? $"every other {part.Type}" : $"{part.Type} '{part.Name}'"));
            return $"changed quotas of {entity}: {string.Join(", ", Values.Select(static value => value.Value is { } set ? string.Create(CultureInfo.InvariantCulture, $"{value.Key}={set}") : $"no {value.Key}"))}";
        }
    }
}
