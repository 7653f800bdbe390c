using Microsoft.AspNetCore.Http;
using Sluice.Broker;

namespace Sluice.Admin.Http;

/// <summary>A request that fails, in the API's own words: a status and {"error","reason"}.</summary>
internal sealed class AdminException(int status, string error, string reason) : Exception(reason)
{
    public int Status { get; } = status;

    public string Error { get; } = error;

    /// <summary>The same, said of an entry among others.</summary>
    public AdminException In(string entry) => new(Status, Error, $"{entry}: {Message}");

    public static AdminException NotFound(string reason) => new(StatusCodes.Status404NotFound, "not_found", reason);

    public static AdminException BadRequest(string reason) => new(StatusCodes.Status400BadRequest, "bad_request", reason);

    public static AdminException NotAuthorised(string reason) => new(StatusCodes.Status401Unauthorized, "not_authorised", reason);

    /// <summary>The one place where outcomes of the broker become HTTP statuses, as RabbitMQ maps channel errors.</summary>
    public static AdminException Of(BrokerStatus status, string detail) => status switch
    {
        BrokerStatus.NotFound => NotFound(detail),
        BrokerStatus.Forbidden or BrokerStatus.ExclusiveUse => NotAuthorised(detail),
        BrokerStatus.Unavailable => new AdminException(StatusCodes.Status503ServiceUnavailable, "unavailable", detail),
        _ => BadRequest(detail),
    };

    public static void ThrowIfFailed(BrokerResult result)
    {
        if (!result.IsOk)
        {
            throw Of(result.Status, result.Detail);
        }
    }

    public static T ValueOf<T>(BrokerResult<T> result) => result.IsOk ? result.Value! : throw Of(result.Status, result.Detail);
}
