using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Sluice.Admin.Handlers;
using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Security;

namespace Sluice.Admin;

/// <summary>
/// The HTTP management API, shaped like RabbitMQ's so that its tools work on the subset, and /metrics. Hang <see cref="HandleAsync"/> under any
/// ASP.NET Core application; it answers everything below /api and /metrics.
/// </summary>
public sealed class AdminApi
{
    private static readonly string[] OpeningTags = [UserTags.Administrator, UserTags.Monitoring, UserTags.Policymaker, UserTags.Management];

    private readonly AdminContext _context;
    private readonly ILogger _logger;
    private readonly Routes _routes = new();

    public AdminApi(AdminContext context, ILogger<AdminApi> logger)
    {
        _context = context;
        _logger = logger;
        OverviewHandler.Map(_routes);
        VirtualHostHandler.Map(_routes);
        QueueHandler.Map(_routes);
        TopicHandler.Map(_routes);
        GroupHandler.Map(_routes);
        MessageHandler.Map(_routes);
        ExchangeHandler.Map(_routes);
        BindingHandler.Map(_routes);
        UserHandler.Map(_routes);
        PermissionHandler.Map(_routes);
        LimitsHandler.Map(_routes);
        PolicyHandler.Map(_routes);
        ConnectionHandler.Map(_routes);
        ClientMetricsHandler.Map(_routes);
        DefinitionsHandler.Map(_routes);
        HealthHandler.Map(_routes);
        MetricsHandler.Map(_routes);
    }

    /// <summary>Whether a path is the API's to answer.</summary>
    public static bool Owns(PathString path) => path.StartsWithSegments("/api", StringComparison.Ordinal) || path.StartsWithSegments("/metrics", StringComparison.Ordinal);

    /// <summary>Answers one request; what goes wrong becomes a status and {"error","reason"}.</summary>
    public async Task HandleAsync(HttpContext http)
    {
        try
        {
            await DispatchAsync(http).ConfigureAwait(false);
        }
        catch (AdminException error)
        {
            await FailAsync(http, error.Status, error.Error, error.Message).ConfigureAwait(false);
        }
        catch (BadHttpRequestException error)
        {
            await FailAsync(http, error.StatusCode, "bad_request", error.Message).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The client has gone; nobody is left to answer.
        }
#pragma warning disable CA1031 // The edge of the process: whatever a handler throws must end as one failed request, in the log, and not with the server.
        catch (Exception error)
        {
            _logger.LogError(error, "Management request {Method} {Path} failed", http.Request.Method, http.Request.Path);
            await FailAsync(http, StatusCodes.Status500InternalServerError, "internal_error", "the request failed; the broker's log has the details").ConfigureAwait(false);
        }
#pragma warning restore CA1031
    }

    private async Task DispatchAsync(HttpContext http)
    {
        string target = http.Features.Get<IHttpRequestFeature>()?.RawTarget is { Length: > 0 } raw ? raw : http.Request.Path.ToUriComponent();
        string path = target.Split('?')[0];
        (Route? route, Dictionary<string, string> values, IReadOnlyList<string> others) = _routes.Find(http.Request.Method, path);
        User user = await LogInAsync(http).ConfigureAwait(false);
        if (route is null)
        {
            if (others.Count == 0)
            {
                throw new AdminException(StatusCodes.Status404NotFound, "Object Not Found", "Not Found");
            }

            http.Response.Headers.Allow = string.Join(", ", others);
            throw new AdminException(StatusCodes.Status405MethodNotAllowed, "method_not_allowed", $"{http.Request.Method} is not possible here; {string.Join(", ", others)} is");
        }

        RequireRole(user, route.Role);
        http.Response.Headers.CacheControl = "no-cache";
        await route.Handle(new AdminRequest(_context, http, user, values, _logger)).ConfigureAwait(false);
    }

    private async Task<User> LogInAsync(HttpContext http)
    {
        (string name, byte[] password) = ReadCredentials(http.Request.Headers.Authorization.ToString());
        IPAddress address = http.Connection.RemoteIpAddress ?? IPAddress.None;
        IPEndPoint remote = new(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, http.Connection.RemotePort);
        LoginResult login = await _context.Authenticator.LoginPasswordAsync(name, password, new LoginOrigin(remote, null), http.RequestAborted).ConfigureAwait(false);
        if (login.User is null)
        {
            throw AdminException.NotAuthorised(login.Refusal == LoginRefusal.LoopbackOnly ? $"User '{name}' can only log in via localhost" : "Login failed");
        }

        return OpeningTags.Any(login.User.HasTag) ? login.User : throw AdminException.NotAuthorised("Not management user");
    }

    private static (string Name, byte[] Password) ReadCredentials(string authorization)
    {
        if (AuthenticationHeaderValue.TryParse(authorization, out AuthenticationHeaderValue? header)
            && string.Equals(header.Scheme, "Basic", StringComparison.OrdinalIgnoreCase)
            && header.Parameter is { } parameter)
        {
            byte[] decoded = new byte[parameter.Length];
            if (Convert.TryFromBase64String(parameter, decoded, out int length))
            {
                ReadOnlySpan<byte> pair = decoded.AsSpan(0, length);
                int colon = pair.IndexOf((byte)':');
                if (colon > 0)
                {
                    return (Encoding.UTF8.GetString(pair[..colon]), pair[(colon + 1)..].ToArray());
                }
            }
        }

        throw AdminException.NotAuthorised("Login failed");
    }

    private static void RequireRole(User user, Role role)
    {
        bool allowed = role switch
        {
            Role.Administrator => user.IsAdministrator,
            Role.Monitoring => user.IsAdministrator || user.HasTag(UserTags.Monitoring),
            Role.Policymaker => user.IsAdministrator || user.HasTag(UserTags.Policymaker),
            _ => true,
        };
        if (!allowed)
        {
            throw AdminException.NotAuthorised($"Not {role.ToString().ToLowerInvariant()} user");
        }
    }

    private static async Task FailAsync(HttpContext http, int status, string error, string reason)
    {
        if (http.Response.HasStarted)
        {
            http.Abort();
            return;
        }

        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        if (status == StatusCodes.Status401Unauthorized)
        {
            http.Response.Headers.WWWAuthenticate = "Basic realm=\"Sluice Management\"";
        }

        await JsonSerializer.SerializeAsync(http.Response.Body, new ErrorModel(error, reason), AdminJson.Default.ErrorModel).ConfigureAwait(false);
    }
}
