using Microsoft.Extensions.Logging;
using Sluice.Base.Logging;

namespace Sluice.Protocols.Kafka.Acls;

/// <summary>An operation that a user may not do.</summary>
/// <param name="User">Who.</param>
/// <param name="Operation">What.</param>
/// <param name="Type">Of what kind the resource is.</param>
/// <param name="Name">The resource.</param>
internal readonly record struct RefusedOperation(string User, AclOperation Operation, AclResourceType Type, string Name) : IRefusal
{
    /// <inheritdoc/>
    public static string Things => "operations";

    /// <inheritdoc/>
    public string Origin => RefusalOrigin.Of(User);

    /// <summary>The resource; a long name by its beginning.</summary>
    public string Name { get; } = LogText.Cut(Name);

    /// <inheritdoc/>
    public void LogAgain(ILogger logger, long count) =>
        logger.LogWarning("User '{User}' was refused {Operation} on {Resource} {Count} more times within a minute", User, Operation, AclWords.Resource(Type, Name), count);
}
