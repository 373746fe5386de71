/** The configuration with which nginx is measured: one worker, connections kept on both sides, events passed on at once. */

export interface NginxPlace {
  /** Its prefix: logs, process id and temporary files stand here. */
  readonly folder: string;
  readonly port: number;
  /** host:port behind it. */
  readonly upstream: string;
  /** Started as root it would change to a user that may not enter the folder. */
  readonly root: boolean;
}

/** One worker, because every other proxy of the measurement has one thread too. */
export function nginxConfig({ folder, port, upstream, root }: NginxPlace): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `${root ? 'user root;\n' : ''}daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log error;
events { worker_connections 8192; }
http {
  access_log off;
${temporary.map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n')}
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  client_body_buffer_size 64k;
  upstream behind {
    server ${upstream};
    keepalive 128;
    keepalive_requests 100000000;
    keepalive_timeout 300s;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://behind;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      # Event streams carry X-Accel-Buffering: no; everything else may wait in memory, never on disk.
      proxy_buffering on;
      proxy_buffers 16 32k;
      proxy_buffer_size 32k;
      proxy_busy_buffers_size 64k;
      proxy_max_temp_file_size 0;
      proxy_read_timeout 300s;
    }
  }
}
`;
}
