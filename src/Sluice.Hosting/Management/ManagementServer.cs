using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Sluice.Admin;
using Sluice.Transport;

namespace Sluice.Hosting.Management;

/// <summary>The HTTP listener: the management API and metrics.</summary>
internal sealed class ManagementServer : IAsyncDisposable
{
    /// <summary>Largest request; definitions of a large broker come in one.</summary>
    private const long RequestBytesMax = 256L << 20;

    private readonly WebApplication _application;

    private ManagementServer(WebApplication application, IPEndPoint endPoint)
    {
        _application = application;
        EndPoint = endPoint;
    }

    /// <summary>The address bound, with the port taken.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Begins to answer.</summary>
    /// <exception cref="ListenException">The address or port cannot be used.</exception>
    public static async Task<ManagementServer> StartAsync(IPEndPoint endPoint, AdminContext context, ILoggerFactory loggers)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.Services.AddSingleton<IHostLifetime, BrokersLifetime>();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = RequestBytesMax;
            kestrel.Listen(endPoint);
        });
        WebApplication application = builder.Build();
        AdminApi api = new(context, loggers.CreateLogger<AdminApi>());
        application.Run(http => AnswerAsync(api, http));
        try
        {
            await application.StartAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            await application.DisposeAsync().ConfigureAwait(false);
            string advice = error is AddressInUseException || error.InnerException is AddressInUseException
                ? "another program listens there: stop it, or choose another port with the setting Admin:Port"
                : error.Message.TrimEnd('.', ' ');
            throw new ListenException($"Listener 'http' cannot use {endPoint}: {advice}.", error);
        }

        string address = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        return new ManagementServer(application, new IPEndPoint(endPoint.Address, BindingAddress.Parse(address).Port));
    }

    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync().ConfigureAwait(false);
        await _application.DisposeAsync().ConfigureAwait(false);
    }

    private static Task AnswerAsync(AdminApi api, HttpContext http)
    {
        if (AdminApi.Owns(http.Request.Path))
        {
            return api.HandleAsync(http);
        }

        http.Response.StatusCode = StatusCodes.Status404NotFound;
        return http.Response.WriteAsync("This is a Sluice broker's HTTP listener: the management API is below /api, metrics are at /metrics.\n");
    }

    /// <summary>The broker says when to stop: the web host takes no signals of its own.</summary>
    private sealed class BrokersLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
